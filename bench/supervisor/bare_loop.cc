// SPDX-License-Identifier: Apache-2.0
//
// bare_loop full|floor PROGRAM N CPU: the least that any tracer does. `full` makes the requests
// that deciding on and repairing a bound exception takes (siginfo, registers, code, bounds,
// registers back) with nothing around them; `floor` only pokes the instruction pointer. Pinned to
// the program's processor.
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

[[noreturn]] void die(const char* what) {
  perror(what);
  exit(125);
}

void must(long result, const char* what) {
  if (result < 0) die(what);
}

ssize_t read_target(pid_t pid, uint64_t address, void* buffer, size_t size) {
  iovec local = {buffer, size};
  iovec remote = {reinterpret_cast<void*>(address), size};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

// True if the stop was a BOUND's, repaired.
bool repair(pid_t pid) {
  siginfo_t info;
  must(ptrace(PTRACE_GETSIGINFO, pid, nullptr, &info), "PTRACE_GETSIGINFO");
  if (info.si_code != SI_KERNEL) return false;
  user_regs_struct registers;
  must(ptrace(PTRACE_GETREGS, pid, nullptr, &registers), "PTRACE_GETREGS");
  uint8_t code[15];
  if (read_target(pid, registers.rip, code, sizeof code) < 2 || code[0] != 0x62 || code[1] != 0x02)
    return false;
  int32_t bounds[2];
  if (read_target(pid, registers.rdx, bounds, sizeof bounds) != sizeof bounds) return false;
  const auto index = static_cast<int32_t>(registers.rax);
  if (index >= bounds[0] && index <= bounds[1]) return false;
  registers.rax = static_cast<uint32_t>(bounds[1]);
  must(ptrace(PTRACE_SETREGS, pid, nullptr, &registers), "PTRACE_SETREGS");
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 125;
  const bool full = strcmp(argv[1], "full") == 0;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(atoi(argv[4]), &cpus);
  must(sched_setaffinity(0, sizeof cpus, &cpus), "sched_setaffinity");
  const pid_t pid = fork();
  must(pid, "fork");
  if (pid == 0) {
    raise(SIGSTOP);
    execl(argv[2], argv[2], argv[3], argv[4], static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  must(waitpid(pid, &status, WUNTRACED), "waitpid");
  must(ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_EXITKILL), "PTRACE_SEIZE");
  must(kill(pid, SIGCONT), "kill");
  // The instruction pointer for `floor`, which reads nothing: there is one BOUND only.
  uint64_t behind = 0;
  for (;;) {
    must(waitpid(pid, &status, __WALL), "waitpid");
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WIFSIGNALED(status)) return 125;
    long deliver = 0;
    const int event = status >> 16;
    if (event == 0 && WSTOPSIG(status) == SIGSEGV) {
      if (full) {
        if (!repair(pid)) deliver = SIGSEGV;
      } else {
        if (behind == 0) {
          user_regs_struct registers;
          must(ptrace(PTRACE_GETREGS, pid, nullptr, &registers), "PTRACE_GETREGS");
          behind = registers.rip + 2;
        }
        must(ptrace(PTRACE_POKEUSER, pid, offsetof(user, regs.rip), behind), "PTRACE_POKEUSER");
      }
    } else if (event == 0 && WSTOPSIG(status) != SIGTRAP) {
      deliver = WSTOPSIG(status);
    }
    must(ptrace(PTRACE_CONT, pid, nullptr, deliver), "PTRACE_CONT");
  }
}
