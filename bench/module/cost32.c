// SPDX-License-Identifier: Apache-2.0
//
// cost32 COUNT handled|signal|none: nanoseconds of one failed BOUND that somebody steps over, of one that comes as
// a signal whose handler does, or of a BOUND that passes. Where time counts instructions, that is what it prints.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

static const int32_t bounds[2] = {0, 9};

static void on_signal(int number, siginfo_t* info, void* opaque) {
  (void)number;
  (void)info;
  ((ucontext_t*)opaque)->uc_mcontext.gregs[REG_EIP] += 2;
}

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static long long run(int count, int index) {
  const long long begin = now();
  for (int i = 0; i < count; ++i)
    __asm__ volatile(".byte 0x62, 0x02" : : "a"(index), "d"(bounds) : "memory");
  return now() - begin;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int count = atoi(argv[1]);
  if (strcmp(argv[2], "signal") == 0) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
  }
  const int index = strcmp(argv[2], "none") == 0 ? 5 : 12;
  run(count / 10, index);  // page faults and the like
  printf("%lld\n", run(count, index) / count);
  return 0;
}
