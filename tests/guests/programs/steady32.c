// SPDX-License-Identifier: Apache-2.0
//
// steady32: four threads that wait. SIGUSR1: each raises 100 bound exceptions and checks their
// repair; SIGUSR2: the end. For who attaches to it.
#include <pthread.h>

#include "guest.h"

enum { kThreads = 4, kExceptions = 100 };
static pthread_barrier_t go;
static pthread_barrier_t done;
static int repaired[kThreads];

static void* work(void* opaque) {
  int* const mine = opaque;
  const struct bounds32 bounds = {0, 9};
  for (;;) {
    pthread_barrier_wait(&go);
    for (int i = 0; i < kExceptions; ++i) *mine += bound32(10 + i, &bounds) == 9;
    pthread_barrier_wait(&done);
  }
  return NULL;
}

int main(void) {
  sigset_t orders;
  sigemptyset(&orders);
  sigaddset(&orders, SIGUSR1);
  sigaddset(&orders, SIGUSR2);
  CHECK(pthread_sigmask(SIG_BLOCK, &orders, NULL) == 0);
  CHECK(pthread_barrier_init(&go, NULL, kThreads + 1) == 0 &&
        pthread_barrier_init(&done, NULL, kThreads + 1) == 0);
  for (int i = 0; i < kThreads; ++i) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, &repaired[i]) == 0);
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("pid %d\n", (int)getpid());
  for (;;) {
    int order = 0;
    CHECK(sigwait(&orders, &order) == 0);
    if (order == SIGUSR2) succeed();
    pthread_barrier_wait(&go);
    pthread_barrier_wait(&done);
    int sum = 0;
    for (int i = 0; i < kThreads; ++i) sum += repaired[i];
    printf("repaired %d\n", sum);
  }
}
