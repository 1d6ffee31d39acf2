// SPDX-License-Identifier: Apache-2.0
//
// What the guests share. A guest is an ordinary small program; nothing in it knows of kebound. Exit
// statuses of all of them: 0 its own checks hold (it then prints EXIT-SUCCESS), 1 a check failed,
// 2 usage; what else a guest does on request is said at its top.
#ifndef KEBOUND_TESTS_GUESTS_GUEST_H
#define KEBOUND_TESTS_GUESTS_GUEST_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

struct bounds32 {
  int32_t lower;
  int32_t upper;
};

__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fflush(stdout);
  fputs("guest: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

#define CHECK(condition) \
  ((condition) ? (void)0 : fail("%s:%d: not so: %s", __FILE__, __LINE__, #condition))

__attribute__((noreturn)) static inline void succeed(void) {
  puts("EXIT-SUCCESS");
  fflush(stdout);
  exit(0);
}

static inline long parse_number(const char* text) {
  char* end = NULL;
  errno = 0;
  const long value = strtol(text, &end, 0);
  if (errno != 0 || end == text || *end != '\0') {
    fprintf(stderr, "guest: not a number: %s\n", text);
    exit(2);
  }
  return value;
}

static inline void install_handler(int signal_number, void (*handler)(int, siginfo_t*, void*),
                                   int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  CHECK(sigaction(signal_number, &action, NULL) == 0);
}

#ifdef __i386__
// One BOUND; returns what the index register holds once it passed or was stepped over.
__attribute__((noinline, unused)) static int32_t bound32(int32_t index,
                                                         const struct bounds32* bounds) {
  __asm__ volatile("boundl %%eax, (%%edx)" : "+a"(index) : "d"(bounds) : "memory");
  return index;
}
#endif

#endif
