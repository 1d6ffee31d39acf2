// SPDX-License-Identifier: Apache-2.0
//
// A second preload library for the tests: says, when a program ends, whose handler the kernel has
// for a signal and whose the program believes to be there. One line for each of both signals,
// appended to the file that KEBOUND_TEST_WITNESS names: "PROGRAM SIGNAL kernel=IMAGE program=IMAGE
// flags=HEX mask=HEX", flags and mask as the program finds them.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// As rt_sigaction(2) has it on x86-64.
struct kernel_action {
  void* handler;
  unsigned long flags;
  void* restorer;
  unsigned long mask;
};

static const char* image_of(void* handler) {
  if (handler == (void*)SIG_DFL) return "default";
  if (handler == (void*)SIG_IGN) return "ignored";
  Dl_info info;
  if (dladdr(handler, &info) == 0 || info.dli_fname == NULL) return "unknown";
  const char* const slash = strrchr(info.dli_fname, '/');
  return slash != NULL ? slash + 1 : info.dli_fname;
}

// Programs that end without exit(3) may call it by themselves.
__attribute__((visibility("default"))) void kebound_test_witness(void) {
  static const int signals[] = {SIGSEGV, SIGILL};
  const char* const path = getenv("KEBOUND_TEST_WITNESS");
  if (path == NULL) return;
  const int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  for (size_t i = 0; i < sizeof signals / sizeof *signals; ++i) {
    struct kernel_action kernel;
    struct sigaction program;
    memset(&kernel, 0, sizeof kernel);
    memset(&program, 0, sizeof program);
    if (syscall(SYS_rt_sigaction, signals[i], NULL, &kernel, sizeof kernel.mask) != 0) continue;
    if (sigaction(signals[i], NULL, &program) != 0) continue;
    unsigned long mask = 0;
    memcpy(&mask, &program.sa_mask, sizeof mask);
    // The C library's own flag, for its own restorer.
    const unsigned flags = (unsigned)program.sa_flags & ~0x04000000u;
    dprintf(file, "%s %d kernel=%s program=%s flags=%x mask=%lx\n", program_invocation_short_name,
            signals[i], image_of(kernel.handler), image_of((void*)program.sa_sigaction), flags,
            mask);
  }
  close(file);
}

__attribute__((destructor)) static void at_exit(void) { kebound_test_witness(); }

// The end of programs whose handler gives up.
__attribute__((visibility("default"), noreturn)) void abort(void) {
  kebound_test_witness();
  void (*next)(void) = NULL;
  *(void**)&next = dlsym(RTLD_NEXT, "abort");
  if (next != NULL) next();
  _exit(127);
}
