// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/ptrace.h"

#include <errno.h>
#include <sys/ptrace.h>

namespace kebound::supervisor {
namespace {

template <class... Arguments>
PtraceResult request(Arguments... arguments) noexcept {
  if (ptrace(arguments...) == 0) return PtraceResult::Ok;
  return errno == ESRCH ? PtraceResult::Gone : PtraceResult::Refused;
}

void* as_data(long value) noexcept { return reinterpret_cast<void*>(value); }

}  // namespace

PtraceResult ptrace_seize(pid_t tid, bool kill_with_us) noexcept {
  long options =
      PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
  if (kill_with_us) options |= PTRACE_O_EXITKILL;
  return request(PTRACE_SEIZE, tid, nullptr, as_data(options));
}

PtraceResult ptrace_interrupt(pid_t tid) noexcept {
  return request(PTRACE_INTERRUPT, tid, nullptr, nullptr);
}

PtraceResult ptrace_continue(pid_t tid, int signal) noexcept {
  return request(PTRACE_CONT, tid, nullptr, as_data(signal));
}

PtraceResult ptrace_listen(pid_t tid) noexcept {
  return request(PTRACE_LISTEN, tid, nullptr, nullptr);
}

PtraceResult ptrace_detach(pid_t tid, int signal) noexcept {
  return request(PTRACE_DETACH, tid, nullptr, as_data(signal));
}

PtraceResult ptrace_event_message(pid_t tid, unsigned long& message) noexcept {
  return request(PTRACE_GETEVENTMSG, tid, nullptr, &message);
}

PtraceResult ptrace_signal_info(pid_t tid, siginfo_t& info) noexcept {
  return request(PTRACE_GETSIGINFO, tid, nullptr, &info);
}

PtraceResult ptrace_get_registers(pid_t tid, user_regs_struct& registers) noexcept {
  return request(PTRACE_GETREGS, tid, nullptr, &registers);
}

PtraceResult ptrace_set_registers(pid_t tid, const user_regs_struct& registers) noexcept {
  return request(PTRACE_SETREGS, tid, nullptr, const_cast<user_regs_struct*>(&registers));
}

PtraceResult ptrace_read_word(pid_t tid, uint64_t address, unsigned long& word) noexcept {
  // A word of all ones is a result, too.
  errno = 0;
  word = static_cast<unsigned long>(
      ptrace(PTRACE_PEEKTEXT, tid, reinterpret_cast<void*>(address), nullptr));
  if (errno == 0) return PtraceResult::Ok;
  return errno == ESRCH ? PtraceResult::Gone : PtraceResult::Refused;
}

PtraceResult ptrace_write_word(pid_t tid, uint64_t address, unsigned long word) noexcept {
  return request(PTRACE_POKETEXT, tid, reinterpret_cast<void*>(address), word);
}

x86::Registers from_user_regs(const user_regs_struct& user) noexcept {
  return x86::Registers{
      .gpr = {user.rax, user.rcx, user.rdx, user.rbx, user.rsp, user.rbp, user.rsi, user.rdi,
              user.r8, user.r9, user.r10, user.r11, user.r12, user.r13, user.r14, user.r15},
      .rip = user.rip,
      .rflags = user.eflags,
      .fs_base = user.fs_base,
      .gs_base = user.gs_base,
      .cs = static_cast<uint16_t>(user.cs),
      .ss = static_cast<uint16_t>(user.ss),
      .ds = static_cast<uint16_t>(user.ds),
      .es = static_cast<uint16_t>(user.es),
      .fs = static_cast<uint16_t>(user.fs),
      .gs = static_cast<uint16_t>(user.gs),
  };
}

void to_user_regs(const x86::Registers& registers, user_regs_struct& user) noexcept {
  const auto& gpr = registers.gpr;
  user.rax = gpr[x86::Rax];
  user.rcx = gpr[x86::Rcx];
  user.rdx = gpr[x86::Rdx];
  user.rbx = gpr[x86::Rbx];
  user.rsp = gpr[x86::Rsp];
  user.rbp = gpr[x86::Rbp];
  user.rsi = gpr[x86::Rsi];
  user.rdi = gpr[x86::Rdi];
  user.r8 = gpr[x86::R8];
  user.r9 = gpr[x86::R9];
  user.r10 = gpr[x86::R10];
  user.r11 = gpr[x86::R11];
  user.r12 = gpr[x86::R12];
  user.r13 = gpr[x86::R13];
  user.r14 = gpr[x86::R14];
  user.r15 = gpr[x86::R15];
  user.rip = registers.rip;
  user.eflags = registers.rflags;
  user.cs = registers.cs;
  user.ss = registers.ss;
  user.ds = registers.ds;
  user.es = registers.es;
  user.fs = registers.fs;
  user.gs = registers.gs;
}

}  // namespace kebound::supervisor
