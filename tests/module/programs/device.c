// SPDX-License-Identifier: Apache-2.0
//
// device args                       every argument that is none is refused
// device read SECONDS               how many records there were, and how many were lost
// device sleep SECONDS              the same for a reader that reads at the end only
// device policy ACTION USER RATE [PROGRAM [CGROUP]]     adds one; an empty word is any
// device clear                      removes all policies
// device fuzz SECONDS SEED          nonsense for ioctl, read and poll
// device as USER PROGRAM [ARG]...   runs it as that user
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../../include/kebound/device.h"

static int open_device(int flags) {
  const int fd = open(KEBOUND_DEVICE, O_RDWR | flags);
  if (fd < 0) {
    perror(KEBOUND_DEVICE);
    exit(1);
  }
  return fd;
}

static void refuses(int fd, const char* what, unsigned long request, void* argument, int wanted) {
  errno = 0;
  const int status = ioctl(fd, request, argument);
  if (status < 0 && errno == wanted) return;
  printf("@check FAILED %s: %d, %s, wanted %s\n", what, status, strerror(errno), strerror(wanted));
}

static kebound_device_policy good_policy(void) {
  kebound_device_policy policy;
  memset(&policy, 0, sizeof policy);
  policy.size = sizeof policy;
  policy.user = KEBOUND_ANY_USER;
  return policy;
}

static int args(void) {
  const int fd = open_device(O_NONBLOCK);
  static kebound_ring_record record;
  kebound_device_policy policy = good_policy();
  refuses(fd, "unknown request", _IO('k', 77), NULL, ENOTTY);
  refuses(fd, "no policy", KEBOUND_ADD_POLICY, NULL, EFAULT);
  refuses(fd, "a kernel address", KEBOUND_ADD_POLICY, (void*)0xffff800000000000ul, EFAULT);
  refuses(fd, "no place for the number", KEBOUND_GET_DROPPED, (void*)1, EFAULT);
  policy.size = 1;
  refuses(fd, "a size", KEBOUND_ADD_POLICY, &policy, EINVAL);
  policy = good_policy();
  policy.action = 3;
  refuses(fd, "an action", KEBOUND_ADD_POLICY, &policy, EINVAL);
  policy = good_policy();
  memset(policy.program, 'x', sizeof policy.program);
  refuses(fd, "a program without an end", KEBOUND_ADD_POLICY, &policy, EINVAL);
  policy = good_policy();
  strcpy(policy.program, "relative");
  refuses(fd, "a relative path", KEBOUND_ADD_POLICY, &policy, EINVAL);
  policy = good_policy();
  memset(policy.cgroup, '/', sizeof policy.cgroup);
  refuses(fd, "a cgroup without an end", KEBOUND_ADD_POLICY, &policy, EINVAL);
  policy = good_policy();
  for (int i = 0; i < 64; ++i)
    if (ioctl(fd, KEBOUND_ADD_POLICY, &policy) != 0) puts("@check FAILED 64 policies");
  refuses(fd, "one too many", KEBOUND_ADD_POLICY, &policy, ENOSPC);
  if (ioctl(fd, KEBOUND_CLEAR_POLICIES) != 0) puts("@check FAILED policies can be cleared");
  if (read(fd, &record, sizeof record - 1) >= 0 || errno != EINVAL) puts("@check FAILED a short read");
  if (read(fd, &record, sizeof record) >= 0 || errno != EAGAIN) puts("@check FAILED nothing to read");
  if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED) puts("@check FAILED mmap");
  struct pollfd wait = {fd, POLLIN, 0};
  if (poll(&wait, 1, 0) != 0) puts("@check FAILED nothing to poll");
  if (setgroups(0, NULL) != 0 || setgid(1000) != 0 || setuid(1000) != 0) puts("@check FAILED setuid");
  policy = good_policy();
  refuses(fd, "policy of a plain user", KEBOUND_ADD_POLICY, &policy, EPERM);
  refuses(fd, "clearing by a plain user", KEBOUND_CLEAR_POLICIES, NULL, EPERM);
  puts("@check ok arguments were tried");
  return 0;
}

static int read_for(int seconds, int at_the_end) {
  static kebound_ring_record records[4];
  const int fd = open_device(O_NONBLOCK);
  uint64_t count = 0, dropped = 0, last = 0, gaps = 0;
  const time_t end = time(NULL) + seconds;
  puts("ready");
  fflush(stdout);
  if (at_the_end) sleep((unsigned)seconds);
  for (;;) {
    const ssize_t size = read(fd, records, sizeof records);
    if (size < 0) {
      if (at_the_end || time(NULL) >= end) break;
      struct pollfd wait = {fd, POLLIN, 0};
      poll(&wait, 1, 200);
      continue;
    }
    for (size_t i = 0; i < (size_t)size / sizeof *records; ++i) {
      gaps += records[i].sequence - last - 1;
      last = records[i].sequence;
      ++count;
    }
  }
  ioctl(fd, KEBOUND_GET_DROPPED, &dropped);
  printf("records %llu dropped %s gaps %llu\n", (unsigned long long)count, dropped ? "some" : "none",
         (unsigned long long)gaps);
  return 0;
}

static int add_policy(int argc, char** argv) {
  kebound_device_policy policy = good_policy();
  policy.action = (uint32_t)atoi(argv[2]);
  policy.user = (uint32_t)strtoul(argv[3], NULL, 0);
  policy.per_second = (uint32_t)atoi(argv[4]);
  if (argc > 5) snprintf(policy.program, sizeof policy.program, "%s", argv[5]);
  if (argc > 6) snprintf(policy.cgroup, sizeof policy.cgroup, "%s", argv[6]);
  return ioctl(open_device(0), KEBOUND_ADD_POLICY, &policy) != 0;
}

static uint64_t state;
static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// Policies that are added by chance must not change what the other tests see: it is no root that fuzzes.
static int fuzz(int seconds, uint64_t seed) {
  static unsigned char bytes[0x10000 + 64];  // as much as read() is asked for below
  state = seed * 2654435761u + 88172645463325252u;
  const int fd = open_device(O_NONBLOCK);
  if (setgroups(0, NULL) != 0 || setgid(1000) != 0 || setuid(1000) != 0) return 1;
  const time_t end = time(NULL) + seconds;
  unsigned long rounds = 0;
  for (; time(NULL) < end; ++rounds) {
    const uint64_t r = next_random();
    for (size_t i = 0; i < 400; i += 8) memcpy(bytes + i, &(uint64_t){next_random()}, 8);
    void* const somewhere = r & 1 ? bytes + (r >> 8 & 63) : (void*)next_random();
    switch (r >> 1 & 3) {
      case 0:
        ioctl(fd, _IOC(r >> 4 & 3, 'k', r >> 6 & 7, r >> 16 & 0x3fff), somewhere);
        break;
      case 1:
        if (read(fd, somewhere, r >> 20 & 0xffff) < 0 && errno == 0) return 1;
        break;
      case 2:
        close(open(KEBOUND_DEVICE, (int)(r >> 4 & 3)));
        break;
      default:
        ioctl(fd, next_random(), somewhere);
        break;
    }
  }
  printf("@check ok %lu rounds of nonsense\n", rounds);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "args") == 0) return args();
  if (argc == 2 && strcmp(argv[1], "clear") == 0) return ioctl(open_device(0), KEBOUND_CLEAR_POLICIES);
  if (argc == 3 && strcmp(argv[1], "read") == 0) return read_for(atoi(argv[2]), 0);
  if (argc == 3 && strcmp(argv[1], "sleep") == 0) return read_for(atoi(argv[2]), 1);
  if (argc >= 5 && strcmp(argv[1], "policy") == 0) return add_policy(argc, argv);
  if (argc == 4 && strcmp(argv[1], "fuzz") == 0)
    return fuzz(atoi(argv[2]), strtoull(argv[3], NULL, 0));
  if (argc >= 4 && strcmp(argv[1], "as") == 0) {
    const unsigned user = (unsigned)atoi(argv[2]);
    if (setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0) return 126;
    execvp(argv[3], argv + 3);
    return 127;
  }
  return 2;
}
