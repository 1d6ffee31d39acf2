// SPDX-License-Identifier: Apache-2.0
//
// hostile SECONDS SEED     tries what hostile.h lists, as user 1000, in one short-lived process
// after the other hostile once SEED        (of itself) a few and out
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"

_Atomic uint64_t* g_counters;

enum { kWorkers = 2 };
static struct worker* workers[kWorkers];
static _Atomic pid_t tids[kWorkers];
static const char* self;

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * (int64_t)1000 + now.tv_nsec / 1000000;
}

static void* must(void* memory, const char* what) {
  if (memory != MAP_FAILED) return memory;
  printf("@check FAILED the fuzzer has no %s\n", what);
  fflush(stdout);
  _exit(97);
}

static struct worker* new_worker(unsigned number, int memory, uint64_t seed) {
  const size_t size = 4 * kPage;
  uint8_t* raw =
      must(mmap(NULL, 2 * kRegion, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
           "region");
  struct worker* const worker = (void*)(((uintptr_t)raw + kRegion - 1) & ~(uintptr_t)(kRegion - 1));
  // Below 4 GiB, for 32-bit code, and where the kernel puts nothing by itself: what is unmapped
  // stays a hole.
  uint8_t* const at = (uint8_t*)0x20000000 + number * 0x100000;
  worker->memory = memory;
  worker->memory_offset = (long)(number * size);
  worker->code = at;
  worker->data = at + 16 * kPage;
  worker->code_writable =
      must(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, worker->memory_offset),
           "memory");
  worker->data_writable = worker->code_writable + 2 * kPage;
  for (unsigned i = 0; i < 2 * kPage; i += 8)
    memcpy(worker->data_writable + i, "\0\0\0\0\x09\0\0\0", 8);
  worker->random = (seed + number + 1) * 0x9e3779b97f4a7c15u | 1;
  restore_pages(worker);
  return worker;
}

static void try_one(struct worker* worker) {
  const int kind = make_site(worker);
  enter(worker);
  if (kind != k_sigreturn) count(kind);  // that one is counted where it happens
}

_Noreturn static void* work(void* opaque) {
  struct worker* const worker = opaque;
  ready_worker(worker);
  tids[worker == workers[1]] = (pid_t)syscall(SYS_gettid);
  for (;;) try_one(worker);
}

// The main thread's, for what it does by itself and for its children.
static struct worker* mine;

static void fork_one(int what) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(2);
    char seed[32];
    snprintf(seed, sizeof seed, "%u", below(mine, 1 << 30));
    if (what == k_executed) {
      execl(self, self, "once", seed, (char*)NULL);
      _exit(96);
    }
    if (what == k_ptraced) {
      trace_one(mine);
      _exit(0);
    }
    ready_worker(mine);
    for (unsigned i = 1 + below(mine, 8); i > 0; --i) try_one(mine);
    _exit(0);
  }
  // Some die in the middle of it.
  if (child > 0 && below(mine, 4) == 0) {
    usleep(below(mine, 20000));
    kill(child, SIGKILL);
  }
  int status = 0;
  if (child > 0 && waitpid(child, &status, 0) == child) {
    count(what);
    if (WIFSIGNALED(status)) count(k_died);
  }
}

static void disturb(int64_t until) {
  while (now_ms() < until) {
    const unsigned other = below(mine, kWorkers);
    struct worker* const target = workers[other];
    for (unsigned i = below(mine, 200); i > 0; --i) write_template(mine, target);
    toggle_page(mine, (below(mine, 3) ? target->code : target->data) + kPage, 1);
    if (below(mine, 2)) restore_pages(target);
    if (below(mine, 4) == 0) write_ldt(mine, target, below(mine, kLdtEntries));
    if (below(mine, 4) == 0 && tids[other] != 0) {
      syscall(SYS_tgkill, getpid(), tids[other], SIGUSR1);
      count(k_signalled);
    }
    switch (below(mine, 24)) {
      case 0:
        fork_one(k_forked);
        break;
      case 1:
        fork_one(k_ptraced);
        break;
      case 2:
        fork_one(k_executed);
        break;
      default:
        sched_yield();
        break;
    }
  }
}

static int open_memory(void) {
  const int memory = memfd_create("hostile", MFD_CLOEXEC);
  if (memory < 0 || ftruncate(memory, (kWorkers + 1) * 4 * kPage) != 0)
    must(MAP_FAILED, "memory file");
  return memory;
}

// One process with two threads that are at it and a third that disturbs them; it ends in the middle
// of it.
static void live(uint64_t seed) {
  const int memory = open_memory();
  mine = new_worker(kWorkers, memory, seed);
  for (unsigned i = 0; i < kWorkers; ++i) workers[i] = new_worker(i, memory, seed);
  const int64_t until = now_ms() + 200 + below(mine, 500);
  for (unsigned i = 0; i < kWorkers; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, workers[i]) != 0) must(MAP_FAILED, "thread");
  }
  disturb(until);
  if (below(mine, 2)) {
    count(k_killed);
    kill(getpid(), SIGKILL);
  }
  count(k_exited);
  syscall(SYS_exit_group, 0);
}

static int once(uint64_t seed) {
  alarm(2);
  mine = new_worker(kWorkers, open_memory(), seed);
  ready_worker(mine);
  for (unsigned i = 0; i < 4; ++i) try_one(mine);
  return 0;
}

static void report(void) {
  static const char* const kNames[] = {
#define X(name) #name,
      KINDS(X) OUTCOMES(X)};
#undef X
  for (int i = 0; i < k_counters; ++i) {
    printf("@hostile %zu-bit %s %llu\n", 8 * sizeof(long), kNames[i],
           (unsigned long long)g_counters[i]);
    if (g_counters[i] == 0) printf("@check FAILED %s never happened\n", kNames[i]);
  }
}

int main(int argc, char** argv) {
  self = argv[0];
  if (argc != 3) return 2;
  const uint64_t seed = strtoull(argv[2], NULL, 0);
  setvbuf(stdout, NULL, _IOLBF, 0);
  g_counters = must(mmap(NULL, k_counters * sizeof *g_counters, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0),
                    "counters");
  take_signals();
  if (strcmp(argv[1], "once") == 0) return once(seed);
  // No root: what it might call by accident must not stop the machine.
  if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(1000) != 0 || setuid(1000) != 0))
    return 1;
  const int64_t until = now_ms() + 1000 * atoll(argv[1]);
  for (uint64_t round = 0; now_ms() < until; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      setpgid(0, 0);  // what it signals by accident
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      alarm(5);
      live(seed * 1000003 + round);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return 1;
    if (WIFSIGNALED(status)) count(k_died);
  }
  report();
  return 0;
}
