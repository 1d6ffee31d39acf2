// SPDX-License-Identifier: Apache-2.0
//
// hostile_device SECONDS SEED: threads and processes share open files of /dev/kebound and do to
// them what they should not: read, poll, ioctl and mmap with any arguments, close during a read,
// fork; by root also policies.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../include/kebound/device.h"

#define KINDS(X)                                                                        \
  X(opened)                                                                             \
  X(closed) X(read) X(got) X(polled) X(ioctl) X(policy) X(mmap) X(forked) X(duplicated) \
      X(interrupted)
#define X(name) k_##name,
enum { KINDS(X) k_kinds, k_mapped = k_kinds, k_counters };
#undef X
static _Atomic uint64_t* counters;
static void count(int what) { atomic_fetch_add_explicit(&counters[what], 1, memory_order_relaxed); }

enum { kThreads = 3, kFiles = 6, kBuffer = 1 << 20 };
static _Atomic int files[kFiles];
static _Atomic int stop;
static uint8_t* buffer;  // what lies behind it is not mapped

struct fuzzer {
  pthread_t thread;
  uint64_t random;
};
static struct fuzzer fuzzers[kThreads];

static uint64_t next_random(struct fuzzer* f) {
  f->random ^= f->random << 13;
  f->random ^= f->random >> 7;
  f->random ^= f->random << 17;
  return f->random;
}
static unsigned below(struct fuzzer* f, unsigned limit) {
  return limit ? (unsigned)((next_random(f) >> 11) % limit) : 0;
}
static int some_file(struct fuzzer* f) { return files[below(f, kFiles)]; }

static _Thread_local sigjmp_buf* behind;
static void on_fault(int number) {
  if (behind == NULL) {
    static const char kMessage[] = "@check FAILED the fuzzer itself has failed\n";
    if (write(1, kMessage, sizeof kMessage - 1)) _exit(99);
    _exit(98);
  }
  siglongjmp(*behind, number);
}
static void on_interrupt(int number) { (void)number; }

static void* some_memory(struct fuzzer* f) {
  switch (below(f, 5)) {
    case 0:
      return (void*)next_random(f);
    case 1:
      return (void*)(0xffff888000000000ul + (next_random(f) & 0xfffffff));
    case 2:
      return buffer + kBuffer -
             below(f, 3 * (unsigned)sizeof(kebound_ring_record));  // runs into nothing
    case 3:
      return NULL;
    default:
      return buffer + below(f, 4096);
  }
}

static void open_one(struct fuzzer* f) {
  static const int kFlags[] = {O_RDONLY, O_WRONLY, O_RDWR};
  const int fd =
      open(KEBOUND_DEVICE, kFlags[below(f, 3)] | (below(f, 4) ? O_NONBLOCK : 0) | O_CLOEXEC);
  if (fd < 0) return;
  count(k_opened);
  const int before = atomic_exchange(&files[below(f, kFiles)], fd);
  if (before >= 0 && close(before) == 0) count(k_closed);  // another thread may be in its read
}

static void read_one(struct fuzzer* f) {
  const int fd = some_file(f);
  ssize_t size;
  if (below(f, 8) == 0) {
    const struct iovec parts[3] = {{some_memory(f), below(f, 9000)},
                                   {some_memory(f), next_random(f) >> 33},
                                   {buffer, below(f, 9000)}};
    size = readv(fd, parts, 3);
  } else if (below(f, 8) == 0) {
    size = pread(fd, some_memory(f), below(f, 9000), (off_t)next_random(f));
  } else {
    size = (ssize_t)syscall(SYS_read, fd, some_memory(f),
                            below(f, 4) ? below(f, 1 << 16) : next_random(f));
  }
  count(k_read);
  if (size > 0) count(k_got);
  if (size < 0 && errno == EINTR) count(k_interrupted);
}

static void control_one(struct fuzzer* f) {
  kebound_device_policy policy;
  void* argument = some_memory(f);
  unsigned long request = next_random(f);
  const unsigned how = below(f, 24);  // few policies: each is a line of the kernel's log
  if (how > 2) request = _IOC(below(f, 4), 'k', below(f, 8), below(f, 0x4000));
  if (how == 0) {
    static const char* const kPrograms[] = {"", "/bin/hostile32", "/bin/hostile64", "/",
                                            "relative"};
    static const char* const kGroups[] = {"", "/", "/a/b", "a"};
    static const unsigned long kRequests[] = {KEBOUND_ADD_POLICY, KEBOUND_ADD_POLICY,
                                              KEBOUND_CLEAR_POLICIES, KEBOUND_GET_DROPPED};
    memset(&policy, 0, sizeof policy);
    policy.size = below(f, 8) ? sizeof policy : (uint32_t)next_random(f);
    policy.action = below(f, 4);
    policy.user = below(f, 2) ? KEBOUND_ANY_USER : below(f, 2) ? 1000 : (uint32_t)next_random(f);
    policy.per_second = below(f, 2) ? below(f, 5) : (uint32_t)next_random(f);
    strcpy(policy.program, kPrograms[below(f, 5)]);
    strcpy(policy.cgroup, kGroups[below(f, 4)]);
    if (below(f, 8) == 0) memset(policy.program, 'x', sizeof policy.program);
    if (below(f, 8) == 0) memset(policy.cgroup, '/', sizeof policy.cgroup);
    argument = &policy;
    request = kRequests[below(f, 4)];
  }
  if (ioctl(some_file(f), request, argument) == 0 && request == KEBOUND_ADD_POLICY) count(k_policy);
  count(k_ioctl);
}

// Where there is a mapping: read all of it, write to it, change what it allows, lose a part of it,
// hand it to a child.
static void use_mapping(struct fuzzer* f, uint8_t* at, size_t size) {
  sigjmp_buf here;
  count(k_mapped);
  if (sigsetjmp(here, 1) == 0) {
    behind = &here;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < size; i += 509) sum = (uint8_t)(sum + at[i]);
    if (mprotect(at, size, PROT_READ | PROT_WRITE | (below(f, 4) ? 0 : PROT_EXEC)) == 0 ||
        below(f, 8) == 0)
      for (size_t i = 0; i < size; i += 1 + below(f, 512)) at[i] = (uint8_t)next_random(f);
    if (below(f, 4) == 0) munmap(at + below(f, (unsigned)(size / 4096)) * (size_t)4096, 4096);
    if (below(f, 4) == 0) madvise(at, size, (int)below(f, 20));
    if (below(f, 4) == 0) mremap(at, size, 2 * size, 0);
    if (below(f, 8) == 0) syscall(SYS_read, some_file(f), at, size);
    if (below(f, 8) == 0 && fork() == 0) {
      sum = (uint8_t)(sum + at[0]);
      _exit(0);
    }
  }
  behind = NULL;
  munmap(at, size);
}

static void map_one(struct fuzzer* f) {
  static const size_t kSizes[] = {0, 1, 4096, 8192, 65536, 1 << 20, 1 << 24, (size_t)1 << 47};
  static const int kFlags[] = {MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE,
                               MAP_SHARED | MAP_POPULATE, MAP_SHARED | MAP_LOCKED};
  const size_t size = below(f, 2) ? kSizes[below(f, 8)] : 4096 * (size_t)below(f, 300);
  const off_t offset = below(f, 2)   ? 0
                       : below(f, 2) ? 4096 * (off_t)below(f, 300)
                                     : (off_t)(next_random(f) & ~4095ull);
  void* const at = mmap(NULL, size, (int)below(f, 8), kFlags[below(f, 5)], some_file(f), offset);
  count(k_mmap);
  if (at != MAP_FAILED) use_mapping(f, at, (size + 4095) & ~(size_t)4095);
}

static void share_one(struct fuzzer* f) {
  if (below(f, 2)) {
    const int fd = dup(some_file(f));
    if (fd < 0) return;
    count(k_duplicated);
    const int before = atomic_exchange(&files[below(f, kFiles)], fd);
    if (before >= 0) close(before);
    return;
  }
  const pid_t child = fork();
  if (child == 0) {
    alarm(1);
    for (unsigned i = 0; i < 20; ++i) {
      struct pollfd wait = {some_file(f), POLLIN, 0};
      if (poll(&wait, 1, 1) > 0) syscall(SYS_read, wait.fd, buffer, 8192);
      if (below(f, 4) == 0) close(wait.fd);
    }
    _exit(0);
  }
  if (child > 0) count(k_forked);
}

static void poll_one(struct fuzzer* f) {
  struct pollfd wait[3] = {
      {some_file(f), (short)next_random(f), 0}, {some_file(f), POLLIN, 0}, {-1, 0, 0}};
  poll(wait, 1 + below(f, 3), (int)below(f, 3));
  count(k_polled);
}

static void* fuzz(void* opaque) {
  static void (*const kWays[])(struct fuzzer*) = {open_one, read_one,    read_one,
                                                  read_one, control_one, control_one,
                                                  map_one,  poll_one,    poll_one};
  struct fuzzer* const f = opaque;
  while (!stop) {
    if (below(f, 100) == 0) share_one(f);
    kWays[below(f, sizeof kWays / sizeof *kWays)](f);
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
  }
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  static const char* const kNames[] = {
#define X(name) #name,
      KINDS(X) "mapped"};
  setvbuf(stdout, NULL, _IOLBF, 0);
  counters = mmap(NULL, k_counters * sizeof *counters, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  buffer = mmap(NULL, kBuffer + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(buffer + kBuffer, 4096);
  for (int i = 0; i < kFiles; ++i) files[i] = -1;
  signal(SIGSEGV, on_fault);
  signal(SIGBUS, on_fault);
  const struct sigaction interrupt = {.sa_handler =
                                          on_interrupt};  // no SA_RESTART: reads end with EINTR
  sigaction(SIGUSR1, &interrupt, NULL);
  for (int i = 0; i < kThreads; ++i) {
    fuzzers[i].random = (strtoull(argv[2], NULL, 0) + (uint64_t)i + 1) * 0x9e3779b97f4a7c15u | 1;
    if (pthread_create(&fuzzers[i].thread, NULL, fuzz, &fuzzers[i]) != 0) return 1;
  }
  // Who waits in a read is woken.
  const time_t end = time(NULL) + atoi(argv[1]);
  while (time(NULL) < end) {
    usleep(5000);
    for (int i = 0; i < kThreads; ++i) pthread_kill(fuzzers[i].thread, SIGUSR1);
  }
  stop = 1;
  for (int i = 0; i < kThreads; ++i) {
    while (pthread_tryjoin_np(fuzzers[i].thread, NULL) != 0) {
      pthread_kill(fuzzers[i].thread, SIGUSR1);
      usleep(1000);
    }
  }
  for (int i = 0; i < k_counters; ++i) {
    printf("@hostile device %s %llu\n", kNames[i], (unsigned long long)counters[i]);
    const int root_only = i == k_policy && geteuid() != 0;
    if (i < k_kinds && counters[i] == 0 && !root_only)
      printf("@check FAILED %s never happened\n", kNames[i]);
  }
  return 0;
}
