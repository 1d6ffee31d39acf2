// SPDX-License-Identifier: Apache-2.0
//
// conformance_guest FILE: the program under the conformance suite on the supervisor. A controller
// keeps a worker process with four threads alive; each thread runs a real BOUND with given
// registers when it is told to.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program/run_bound.h"

static volatile struct conformance_shared* shared;

static uint32_t waiting_threads;

static void* run_thread(void* slot) {
  take_orders(slot, NULL, &waiting_threads);
  return NULL;
}

static void work(uint32_t generation) {
  for (int i = 0; i < kConformanceThreads; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_thread, (void*)(uintptr_t)&shared->slots[i]) != 0)
      _exit(5);
  }
  while (__atomic_load_n(&waiting_threads, __ATOMIC_ACQUIRE) != kConformanceThreads) usleep(50);
  shared->worker_pid = getpid();
  __atomic_store_n(&shared->ready, generation, __ATOMIC_RELEASE);
  for (;;) pause();
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int file = open(argv[1], O_RDWR);
  if (file < 0) return 2;
  void* const wanted = (void*)(uintptr_t)kConformanceAddress;
  if (mmap(wanted, kConformanceSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file,
           0) != wanted)
    return 2;
  shared = wanted;
  void* const nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (nothing == MAP_FAILED) return 2;
  shared->bound_address = (uint32_t)run_bound_address();
  shared->elsewhere_address = (uint32_t)run_elsewhere_address();
  shared->unmapped_address = (uint32_t)(uintptr_t)nothing;
  shared->address = kConformanceAddress;
  shared->controller_pid = getpid();

  for (uint32_t generation = 1;; ++generation) {
    const pid_t worker = fork();
    if (worker < 0) return 2;
    if (worker == 0) work(generation);
    int status = 0;
    while (waitpid(worker, &status, WNOHANG) == 0) {
      if (__atomic_load_n(&shared->quit, __ATOMIC_ACQUIRE)) {
        kill(worker, SIGKILL);
        waitpid(worker, &status, 0);
        return shared->result != 0 ? 1 : 0;
      }
      usleep(200);
    }
    shared->last_status = status;
    __atomic_add_fetch(&shared->deaths, 1, __ATOMIC_RELEASE);
    if (__atomic_load_n(&shared->quit, __ATOMIC_ACQUIRE)) return shared->result != 0 ? 1 : 0;
  }
}
