// SPDX-License-Identifier: Apache-2.0
//
// traps64 [--handler] FUNCTION...: executes the trap of clang's -fsanitize-trap=bounds in first() or
// second(), without a check that leads to it. --handler: the program's own handler steps over it.
#include "guest.h"

static volatile int passed;

#define TRAP() __asm__ volatile(".byte 0x67, 0x0f, 0xb9, 0x40, 0x12" ::: "memory")

__attribute__((noinline, noclone)) static void first(void) {
  TRAP();
  ++passed;
}

__attribute__((noinline, noclone)) static void second(void) {
  TRAP();
  passed += 2;
}

static void on_ill(int number, siginfo_t* info, void* opaque) {
  (void)number;
  (void)info;
  ((ucontext_t*)opaque)->uc_mcontext.gregs[REG_RIP] += 5;
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--handler") == 0) {
      install_handler(SIGILL, on_ill, 0);
    } else {
      (strcmp(argv[i], "first") == 0 ? first : second)();
    }
  }
  printf("passed %d\n", passed);
  succeed();
}
