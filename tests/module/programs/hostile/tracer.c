// SPDX-License-Identifier: Apache-2.0
//
// A debugger that steps over failing checks, and changes registers and code under them.
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

// Outside it is the fuzzer's own code that would fail.
static int is_inside(const struct worker* worker, pid_t child) {
  errno = 0;
  return ptrace(PTRACE_PEEKDATA, child, &worker->inside, NULL) == 1 && errno == 0;
}

static void change_registers(struct worker* worker, pid_t child) {
  struct user_regs_struct registers;
  if (ptrace(PTRACE_GETREGS, child, NULL, &registers) != 0) return;
#ifdef __x86_64__
  switch (below(worker, 6)) {
    case 0:
      registers.rip += below(worker, 4);
      break;
    case 1:
      registers.eflags ^= 1ul << below(worker, 22);
      break;
    case 2:
      registers.orig_rax = (unsigned long)-1 + below(worker, 2);
      break;
    case 3:
      registers.cs = registers.cs == 0x33 ? 0x23 : 0x33;
      break;
    case 4:
      registers.rsp = next_random(worker);
      break;
    default:
      registers.rbx = next_random(worker);
      break;
  }
#else
  switch (below(worker, 5)) {
    case 0:
      registers.eip += (long)below(worker, 4);
      break;
    case 1:
      registers.eflags ^= 1l << below(worker, 22);
      break;
    case 2:
      registers.orig_eax = -1 + (long)below(worker, 2);
      break;
    case 3:
      registers.xcs = registers.xcs == 0x33 ? 0x23 : 0x33;
      break;
    default:
      registers.ebx = (long)next_random(worker);
      break;
  }
#endif
  ptrace(PTRACE_SETREGS, child, NULL, &registers);
}

static void change_code(struct worker* worker, pid_t child) {
  void* const at = worker->code + worker->site;
  errno = 0;
  const long word = ptrace(PTRACE_PEEKTEXT, child, at, NULL);
  if (errno == 0)
    ptrace(PTRACE_POKETEXT, child, at,
           (void*)(below(worker, 2) ? (word & ~0xffffl) | 0x0362 : (word & ~0xffl) | 0xcc));
}

void trace_one(struct worker* worker) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(2);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    ready_worker(worker);
    raise(SIGSTOP);
    for (unsigned i = 0; i < 8; ++i) {
      make_site(worker);
      enter(worker);
    }
    _exit(0);
  }
  int status = 0;
  for (unsigned i = 0;
       child > 0 && i < 400 && waitpid(child, &status, 0) == child && WIFSTOPPED(status); ++i) {
    long signal = WSTOPSIG(status) == SIGSTOP || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    if (WSTOPSIG(status) == SIGTRAP && below(worker, 8) == 0) signal = SIGTRAP;
    if (signal == SIGSEGV && below(worker, 8) == 0) signal = 0;  // again, then
    if (below(worker, 8) == 0 && is_inside(worker, child)) change_registers(worker, child);
    if (below(worker, 16) == 0) change_code(worker, child);
    const int how = below(worker, 4) == 0   ? PTRACE_CONT
                    : below(worker, 4) == 0 ? PTRACE_SYSCALL
                                            : PTRACE_SINGLESTEP;
    if (ptrace(how, child, NULL, (void*)signal) != 0) break;
  }
  if (child > 0) {
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) == child && !WIFEXITED(status) && !WIFSIGNALED(status))
      continue;
  }
}
