// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/bound_exception.h"

#include <signal.h>
#include <string.h>

#include <memory>

#include "hosts/supervisor/ptrace.h"
#include "trap/x86/bound.h"
#include "trap/x86/compiler_trap.h"

namespace kebound::supervisor {
namespace {

// The target's memory, with the bytes at the instruction pointer already here: they are read once,
// for the decision and for the record.
struct CodeCachingReader {
  const TargetMemory& memory;
  uint64_t code_address;
  const uint8_t* code;
  size_t code_size;

  MemoryReader reader() noexcept {
    return {this, [](void* self, uint64_t address, void* buffer, size_t size) noexcept {
              const auto& cache = *static_cast<CodeCachingReader*>(self);
              if (address != cache.code_address || size > sizeof BoundStop::code) {
                return cache.memory.read_some(address, buffer, size);
              }
              const size_t count = size < cache.code_size ? size : cache.code_size;
              memcpy(buffer, cache.code, count);
              return count;
            }};
  }
};

bool is_bound(const Tracee& tracee, BoundStop& stop) {
  constexpr uint64_t kCode64 = 0x33;
  if (stop.user.cs == kCode64) return false;
  const TargetMemory& memory = tracee.process->memory;
  stop.code_size =
      static_cast<uint8_t>(memory.read_some(stop.before.rip, stop.code, sizeof stop.code));
  CodeCachingReader cache{memory, stop.before.rip, stop.code, stop.code_size};
  return x86::evaluate_bound(stop.before, cache.reader(), stop.event) ==
         x86::BoundVerdict::Exceeded;
}

bool is_compiler_trap(Tracee& tracee, events::TrapMessages* messages, BoundStop& stop) {
  const TargetMemory& memory = tracee.process->memory;
  stop.code_size =
      static_cast<uint8_t>(memory.read_some(stop.before.rip, stop.code, sizeof stop.code));
  x86::CompilerTrap trap;
  if (!x86::decode_compiler_trap(stop.code, stop.code_size, trap)) return false;
  CheckTraps& checks = tracee.process->known_checks(messages);
  if (!checks.recover(trap, stop.before, stop.event, stop.recovery, stop.detail)) {
    return false;
  }
  if (stop.event.ip != stop.before.rip) {
    stop.before.rip = stop.event.ip;
    stop.code_size =
        static_cast<uint8_t>(memory.read_some(stop.event.ip, stop.code, sizeof stop.code));
  }
  return true;
}

}  // namespace

// ptrace shows neither the trap number nor the error code: a #BR, a #GP and a forged signal look
// alike. What tells them apart is the instruction, decoded and evaluated again on the stopped
// thread's registers and memory.
bool is_bound_exception(Tracee& tracee, events::TrapMessages* messages, BoundStop& stop) {
  siginfo_t info;
  const int code = stop.signal == SIGSEGV ? int{SI_KERNEL} : int{ILL_ILLOPN};
  if (ptrace_signal_info(tracee.tid, info) != PtraceResult::Ok || info.si_code != code)
    return false;
  if (ptrace_get_registers(tracee.tid, stop.user) != PtraceResult::Ok) return false;
  // A signal that the thread queued for itself with the kernel's code arrives at the end of that
  // system call, whose number is then here; a fault leaves -1.
  if (stop.user.orig_rax != ~0ULL) return false;
  stop.before = from_user_regs(stop.user);
  stop.event = BoundEvent{};
  stop.recovery = x86::Recovery{};
  stop.detail.clear();
  return stop.signal == SIGSEGV ? is_bound(tracee, stop) : is_compiler_trap(tracee, messages, stop);
}

}  // namespace kebound::supervisor
