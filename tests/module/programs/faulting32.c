// SPDX-License-Identifier: Apache-2.0
//
// faulting32 THREADS SECONDS: each thread fails BOUNDs, whose SIGSEGV it takes, until the time is over.
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static const int32_t bounds[2] = {0, 9};
static volatile int stop;
static volatile unsigned long taken, strange;

static void on_signal(int number, siginfo_t* info, void* opaque) {
  greg_t* const r = ((ucontext_t*)opaque)->uc_mcontext.gregs;
  (void)number;
  if (info->si_code != SI_KERNEL || r[REG_TRAPNO] != 5) __atomic_fetch_add(&strange, 1, __ATOMIC_RELAXED);
  __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
  r[REG_EIP] += 2;  // bound %eax, (%edx)
}

static void* fault(void* unused) {
  (void)unused;
  while (!stop) __asm__ volatile(".byte 0x62, 0x02" : : "a"(12), "d"(bounds) : "memory");
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  const int count = atoi(argv[1]);
  pthread_t threads[64];
  for (int i = 0; i < count; ++i) pthread_create(&threads[i], NULL, fault, NULL);
  sleep((unsigned)atoi(argv[2]));
  stop = 1;
  for (int i = 0; i < count; ++i) pthread_join(threads[i], NULL);
  printf("@check %s every one of %lu exceptions that nobody handled is its SIGSEGV\n",
         strange == 0 && taken > 0 ? "ok" : "FAILED", taken);
  return 0;
}
