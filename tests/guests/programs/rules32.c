// SPDX-License-Identifier: Apache-2.0
//
// rules32 [--times N] [--threads N] [--handler] WAY...: raises a bound exception, index 12 outside
// [0, 9], by each way in turn, N times over, and prints what the index was in the end.
//   alpha, beta   in functions of these names
//   one, two      in shared(), called by them
//   inlined       in innermost(), which is inlined into around()
//   child         in alpha(), in a process of its own
// --handler: the program's own handler steps over the BOUND. --threads: all of it in each thread.
#include <pthread.h>
#include <sys/wait.h>

#include "guest.h"

static const struct bounds32 bounds = {0, 9};
static long times = 1;
static char** ways;

// Another place each time it is written.
#define RAISE(index) \
  __asm__ volatile("boundl %%eax, (%%edx)" : "+a"(index) : "d"(&bounds) : "memory")
#define FUNCTION __attribute__((noinline, noclone)) static int32_t

FUNCTION alpha(int32_t index) {
  RAISE(index);
  return index;
}

FUNCTION beta(int32_t index) {
  RAISE(index);
  return index;
}

FUNCTION shared(int32_t index) {
  RAISE(index);
  return index;
}

FUNCTION one(int32_t index) { return shared(index) + 0 * (int32_t)getpid(); }
FUNCTION two(int32_t index) { return shared(index) + 0 * (int32_t)getppid(); }

__attribute__((always_inline)) static inline int32_t innermost(int32_t index) {
  RAISE(index);
  return index;
}

FUNCTION around(int32_t index) { return innermost(index); }

FUNCTION child(int32_t index) {
  const pid_t pid = fork();
  if (pid == 0) _exit((int)alpha(index));
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  return WEXITSTATUS(status);
}

// Where the exception happened: boundl %eax, (%edx) has two bytes.
static void on_segv(int number, siginfo_t* info, void* opaque) {
  (void)number;
  (void)info;
  ((ucontext_t*)opaque)->uc_mcontext.gregs[REG_EIP] += 2;
}

static int32_t go(const char* way) {
  static const struct {
    const char* name;
    int32_t (*function)(int32_t index);
  } kWays[] = {{"alpha", alpha}, {"beta", beta},      {"one", one},
               {"two", two},     {"inlined", around}, {"child", child}};
  for (size_t i = 0; i < sizeof kWays / sizeof *kWays; ++i) {
    if (strcmp(way, kWays[i].name) == 0) return kWays[i].function(12);
  }
  fprintf(stderr, "guest: no such way: %s\n", way);
  exit(2);
}

static void* work(void* unused) {
  (void)unused;
  for (char** way = ways; *way != NULL; ++way) {
    for (long i = 0; i < times; ++i) {
      const int32_t index = go(*way);
      if (i + 1 == times) printf("%s %d\n", *way, (int)index);
    }
  }
  return NULL;
}

int main(int argc, char** argv) {
  long threads = 0;
  for (ways = argv + 1; *ways != NULL && strncmp(*ways, "--", 2) == 0; ++ways) {
    if (strcmp(*ways, "--handler") == 0) {
      install_handler(SIGSEGV, on_segv, 0);
    } else if (strcmp(*ways, "--times") == 0 && ways[1] != NULL) {
      times = parse_number(*++ways);
    } else if (strcmp(*ways, "--threads") == 0 && ways[1] != NULL) {
      threads = parse_number(*++ways);
    } else {
      return 2;
    }
  }
  if (argc < 2 || threads > 16) return 2;
  if (threads == 0) work(NULL);
  pthread_t thread[16];
  for (long i = 0; i < threads; ++i) CHECK(pthread_create(&thread[i], NULL, work, NULL) == 0);
  for (long i = 0; i < threads; ++i) CHECK(pthread_join(thread[i], NULL) == 0);
  succeed();
}
