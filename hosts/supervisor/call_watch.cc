// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/call_watch.h"

#include <fmt/format.h>
#include <linux/kcmp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hosts/posix/file.h"
#include "hosts/supervisor/first_instruction.h"
#include "hosts/supervisor/fortified_call.h"
#include "hosts/supervisor/ptrace.h"
#include "nt/host.h"

namespace kebound::supervisor {
namespace {

using Kind = WatchedFunction::Kind;

constexpr uint64_t kCode64 = 0x33;

// Asked for the kernel's own opinion: a vfork, and a clone of whatever kind, may share memory.
bool shares_memory(pid_t a, pid_t b) { return syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0) == 0; }

void resume_with(Tracee& tracee, user_regs_struct& user, const x86::Registers& registers) {
  to_user_regs(registers, user);
  static_cast<void>(ptrace_set_registers(tracee.tid, user));
}

}  // namespace

void CallWatch::program_entered(Tracee& stopped) {
  if (families_ == 0) return;
  stopped.process->breakpoints = std::make_shared<Breakpoints>();
  rescan(stopped);
}

void CallWatch::forked(Process& child, const Process& parent) const {
  if (parent.breakpoints == nullptr) return;
  child.breakpoints = shares_memory(child.pid, parent.pid)
                          ? parent.breakpoints
                          : std::make_shared<Breakpoints>(*parent.breakpoints);
}

const WatchedFile& CallWatch::file_at(const std::string& path) {
  struct stat now {};
  static const WatchedFile kNone;
  if (stat(path.c_str(), &now) != 0 || !S_ISREG(now.st_mode)) return kNone;
  const FileKey key{now.st_dev, now.st_ino, now.st_size, now.st_mtim.tv_sec, now.st_mtim.tv_nsec};
  const auto known = files_.find(key);
  return known != files_.end()
             ? known->second
             : files_.emplace(key, read_watched_file(path, families_)).first->second;
}

// Every module of the program, whenever the dynamic linker says that there are others.
void CallWatch::rescan(Tracee& stopped) {
  Process& process = *stopped.process;
  const auto modules = process.modules.read(process.pid, process.is_64bit);
  if (modules == nullptr) return;
  std::vector<uint64_t> wanted;
  for (const events::Mapping& mapping : modules->mappings) {
    if (!mapping.executable || mapping.open_path.empty()) continue;
    const WatchedFile& file = file_at(mapping.open_path);
    const uint64_t length = mapping.end - mapping.begin;
    for (const WatchedFunction& function : file.functions) {
      if (function.kind == Kind::Fortified || function.offset < mapping.file_offset ||
          function.offset - mapping.file_offset >= length) {
        continue;
      }
      const uint64_t address = mapping.begin + (function.offset - mapping.file_offset);
      wanted.push_back(address);
      insert(stopped, address, mapping, file, function);
    }
  }
  process.breakpoints->keep_only(wanted);
}

void CallWatch::insert(Tracee& stopped, uint64_t address, const events::Mapping& mapping,
                       const WatchedFile& file, const WatchedFunction& function) {
  Process& process = *stopped.process;
  const auto result =
      process.breakpoints->insert(stopped.tid, process.memory, address, file.is_64bit, function);
  if (result != Breakpoints::Insertion::NotExecutable) return;
  const char* const name =
      function.source != nullptr ? function.source->symbol : "the dynamic linker's list of modules";
  std::string message = fmt::format(
      "{} in {} is not watched: it begins with an instruction that kebound cannot "
      "execute in its place",
      name, mapping.path);
  if (!complained_.insert(message).second) return;
  nt::host().violation({"call-not-watched", "", "", std::move(message)});
}

const Breakpoint* CallWatch::breakpoint_hit(Tracee& tracee, user_regs_struct& user) const {
  if (tracee.process->breakpoints == nullptr) return nullptr;
  siginfo_t info;
  // Of int3 the kernel says so; a signal that somebody sent is another's.
  if (ptrace_signal_info(tracee.tid, info) != PtraceResult::Ok || info.si_code != SI_KERNEL ||
      ptrace_get_registers(tracee.tid, user) != PtraceResult::Ok) {
    return nullptr;
  }
  return tracee.process->breakpoints->find(user.rip - 1);
}

bool CallWatch::read_event(Tracee& tracee, const Breakpoint& breakpoint,
                           const x86::Registers& registers, calls::CallEvent& out) {
  Process& process = *tracee.process;
  const bool is_64bit = breakpoint.mode == x86::CodeMode::Bits64;
  calls::CallFrame frame;
  if (breakpoint.function.kind == Kind::Source) {
    frame.is_64bit = is_64bit;
    frame.memory = process.memory.reader();
    frame.entry = registers;
    return calls::read_call_event(*breakpoint.function.source, frame, out);
  }
  const auto modules = process.modules.read(process.pid, process.is_64bit);
  const events::Mapping* const library =
      modules != nullptr ? mapping_at(*modules, registers.rip) : nullptr;
  if (library == nullptr) return false;
  const Refusal refusal{is_64bit, process.memory.reader(),    registers, *modules,
                        *library, file_at(library->open_path)};
  const calls::CallSource* const source = find_fortified_call(refusal, frame);
  return source != nullptr && calls::read_call_event(*source, frame, out);
}

CallWatch::Trap CallWatch::take(Tracee& tracee, BoundStop& stop) {
  Process& process = *tracee.process;
  const Breakpoint* const breakpoint = breakpoint_hit(tracee, stop.user);
  if (breakpoint == nullptr) return Trap::NotOurs;
  x86::Registers registers = from_user_regs(stop.user);
  registers.rip -= 1;
  x86::Registers next = registers;
  if ((registers.cs == kCode64) != (breakpoint->mode == x86::CodeMode::Bits64) ||
      !execute(breakpoint->instruction, breakpoint->mode, process.memory, next)) {
    // It would fault, and now it does.
    process.breakpoints->remove(tracee.tid, process.memory, registers.rip);
    resume_with(tracee, stop.user, registers);
    return Trap::Passed;
  }
  const Breakpoint hit = *breakpoint;  // a rescan may forget it
  resume_with(tracee, stop.user, next);
  if (hit.function.kind == Kind::Loader) {
    rescan(tracee);
    return Trap::Passed;
  }
  calls::CallEvent event;
  if (!read_event(tracee, hit, registers, event)) return Trap::Passed;
  process.known_checks(messages_).recover_called(event);
  stop.before = event.at_call;
  stop.event = event.event;
  stop.recovery = event.recovery;
  stop.detail = event.detail;
  stop.signal = 0;
  stop.is_call = true;
  stop.code_size =
      static_cast<uint8_t>(process.memory.read_some(stop.event.ip, stop.code, sizeof stop.code));
  return Trap::Event;
}

bool CallWatch::leave(Tracee& stopped, int signal) {
  Process& process = *stopped.process;
  if (process.breakpoints == nullptr) return false;
  process.breakpoints->remove_all(stopped.tid, process.memory);
  if (signal != SIGTRAP) return false;
  user_regs_struct user;
  if (breakpoint_hit(stopped, user) == nullptr) return false;
  user.rip -= 1;
  return ptrace_set_registers(stopped.tid, user) == PtraceResult::Ok;
}

}  // namespace kebound::supervisor
