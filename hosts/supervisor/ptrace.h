// SPDX-License-Identifier: Apache-2.0
//
// ptrace(2) with types. Every request may find the thread gone (SIGKILL, exec by another thread):
// that is an answer, not an error, and the thread's end is then reported by waitpid.
#pragma once

#include <signal.h>
#include <sys/types.h>
#include <sys/user.h>

#include "trap/x86/registers.h"

namespace kebound::supervisor {

enum class PtraceResult {
  Ok,
  Gone,     // ESRCH: dead, or not stopped
  Refused,  // the kernel said no; errno says why
};

[[nodiscard]] PtraceResult ptrace_seize(pid_t tid, bool kill_with_us) noexcept;
PtraceResult ptrace_interrupt(pid_t tid) noexcept;
// Lets the thread run on, delivering `signal` (0: none).
PtraceResult ptrace_continue(pid_t tid, int signal) noexcept;
// Leaves the thread in its group stop, open to SIGCONT.
PtraceResult ptrace_listen(pid_t tid) noexcept;
PtraceResult ptrace_detach(pid_t tid, int signal) noexcept;
[[nodiscard]] PtraceResult ptrace_event_message(pid_t tid, unsigned long& message) noexcept;
[[nodiscard]] PtraceResult ptrace_signal_info(pid_t tid, siginfo_t& info) noexcept;
[[nodiscard]] PtraceResult ptrace_get_registers(pid_t tid, user_regs_struct& registers) noexcept;
[[nodiscard]] PtraceResult ptrace_set_registers(pid_t tid,
                                                const user_regs_struct& registers) noexcept;
// A word of memory of the thread's process; protections do not matter.
[[nodiscard]] PtraceResult ptrace_read_word(pid_t tid, uint64_t address,
                                            unsigned long& word) noexcept;
[[nodiscard]] PtraceResult ptrace_write_word(pid_t tid, uint64_t address,
                                             unsigned long word) noexcept;

[[nodiscard]] x86::Registers from_user_regs(const user_regs_struct& user) noexcept;
// Writes what Registers holds; the rest of `user` stays.
void to_user_regs(const x86::Registers& registers, user_regs_struct& user) noexcept;

}  // namespace kebound::supervisor
