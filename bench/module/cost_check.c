// SPDX-License-Identifier: Apache-2.0
//
// cost_check COUNT first|handled|ud2: nanoseconds of the first failed check that a compiler wrote,
// of one that failed before, or of a ud2 that is no check and whose handler steps over it. Where
// time counts instructions, that is what it prints.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

static volatile int values[10];  // what nobody accesses is no array, to who looks for the index

__attribute__((noinline)) static int value_of(long index) { return values[index]; }

static void on_signal(int number, siginfo_t* info, void* opaque) {
  (void)number;
  (void)info;
  ((ucontext_t*)opaque)->uc_mcontext.gregs[REG_RIP] += 2;
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static long long run(int count, int is_check) {
  const long long begin = now();
  for (int i = 0; i < count; ++i) {
    if (is_check)
      value_of(12 + i);
    else
      __asm__ volatile("ud2" : : : "memory");
  }
  return (now() - begin) / count;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int count = atoi(argv[1]);
  const int is_check = strcmp(argv[2], "ud2") != 0;
  if (!is_check) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
  }
  now();
  const long long first = run(1, is_check);
  printf("%lld\n", strcmp(argv[2], "first") == 0 ? first : run(count, is_check));
  return 0;
}
