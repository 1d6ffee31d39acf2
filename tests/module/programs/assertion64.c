// SPDX-License-Identifier: Apache-2.0
//
// assertion64: a ud2 behind a compare that looks like an index' with its limit, of a number that
// indexes nothing. Prints what its SIGILL says, field by field.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

extern const char the_trap[];
void assertion(uint64_t kind);

__asm__(
    ".text\n"
    ".type assertion, @function\n"
    "assertion: .cfi_startproc\n"
    "  mov $0x1111, %eax\n mov $0x2222, %ecx\n mov $0x3333, %edx\n mov $0x4444, %esi\n"
    "  mov $0x5555, %r8d\n mov $0x6666, %r9d\n mov $0x7777, %r10d\n mov $0x8888, %r11d\n"
    "  cmp $9, %rdi\n"
    "  ja the_trap\n"
    "  ret\n"
    "the_trap: ud2\n"
    ".cfi_endproc\n"
    ".size assertion, . - assertion\n");

static void on_signal(int number, siginfo_t* info, void* opaque) {
  static const int kShown[] = {REG_RAX, REG_RCX, REG_RDX,    REG_RSI,     REG_RDI,
                               REG_R8,  REG_R9,  REG_R10,    REG_R11,     REG_RIP,
                               REG_EFL, REG_ERR, REG_TRAPNO, REG_OLDMASK, REG_CSGSFS};
  const ucontext_t* const context = opaque;
  printf("signal %d errno %d code %d address %s mask %lx\n", number, info->si_errno, info->si_code,
         info->si_addr == the_trap ? "trap" : "other", *(const unsigned long*)&context->uc_sigmask);
  for (unsigned i = 0; i < sizeof kShown / sizeof *kShown; ++i)
    printf("%llx ", (unsigned long long)context->uc_mcontext.gregs[kShown[i]]);
  putchar('\n');
  exit(0);
}

int main(void) {
  const struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &action, NULL);
  assertion(12);
  return 1;
}
