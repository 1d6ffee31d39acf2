// SPDX-License-Identifier: Apache-2.0
//
// sites [bare] ROUNDS: fails 512 checks of functions of their own once each, then one of them ROUNDS times. Prints
// the nanoseconds that each took, as the program sees it: "FIRST REPEATED". Whoever handles them makes the function
// return: kebound by clamping the index, `bare` by a handler of the program's own that does it with no more than the
// frame, which the functions do not have.
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#define SITE(n)                                         \
  int array_##n[10 + n % 7];                            \
  __attribute__((noinline)) int site_##n(int i) { return array_##n[i]; }
#define NAME(n) site_##n,
#define EIGHT(macro, n) macro(n##0) macro(n##1) macro(n##2) macro(n##3) macro(n##4) macro(n##5) macro(n##6) macro(n##7)
#define SIXTY_FOUR(macro, n)                                                                              \
  EIGHT(macro, n##0) EIGHT(macro, n##1) EIGHT(macro, n##2) EIGHT(macro, n##3) EIGHT(macro, n##4)           \
  EIGHT(macro, n##5) EIGHT(macro, n##6) EIGHT(macro, n##7)
#define ALL(macro)                                                                                        \
  SIXTY_FOUR(macro, 1) SIXTY_FOUR(macro, 2) SIXTY_FOUR(macro, 3) SIXTY_FOUR(macro, 4) SIXTY_FOUR(macro, 5) \
  SIXTY_FOUR(macro, 6) SIXTY_FOUR(macro, 7) SIXTY_FOUR(macro, 8)

ALL(SITE)
static int (*const sites[])(int) = {ALL(NAME)};
enum { kSites = sizeof sites / sizeof *sites };

#if defined(__x86_64__)
enum { kIp = REG_RIP, kSp = REG_RSP };
#else
enum { kIp = REG_EIP, kSp = REG_ESP };
#endif

static void return_from_site(int signal, siginfo_t* info, void* raw) {
  (void)signal;
  (void)info;
  greg_t* const registers = ((ucontext_t*)raw)->uc_mcontext.gregs;
  uintptr_t back;
  memcpy(&back, (const void*)(uintptr_t)registers[kSp], sizeof back);
  registers[kIp] = (greg_t)back;
  registers[kSp] += (greg_t)sizeof back;
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int main(int argc, char** argv) {
  const int bare = argc == 3 && strcmp(argv[1], "bare") == 0;
  if (argc != 2 + bare) return 2;
  const long rounds = atol(argv[1 + bare]);
  if (rounds < 1) return 2;
  // On the last processor: another one's tracer or caches are not what is measured.
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) return 2;
  int last = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &cpus)) last = cpu;
  CPU_ZERO(&cpus);
  CPU_SET(last, &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) return 2;
  if (bare) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = return_from_site;
    action.sa_flags = SA_SIGINFO;
    if (sigaction(SIGILL, &action, NULL) != 0) return 2;
  }
  // The first one of all is the host's, not the site's.
  volatile int sum = sites[0](100);
  const int64_t start = now_ns();
  for (int i = 1; i < kSites; ++i) sum += sites[i](100 + i);
  const int64_t middle = now_ns();
  for (long i = 0; i < rounds; ++i) sum += sites[0](100 + (int)(i & 0xffff));
  const int64_t end = now_ns();
  if (sum == 1) return 3;  // every array is zero
  printf("%.1f %.1f\n", (double)(middle - start) / (kSites - 1), (double)(end - middle) / (double)rounds);
  return 0;
}
