// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/processor_follower.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace kebound::supervisor {
namespace {

// Field 39 of /proc/PID/task/TID/stat (proc(5)): the processor last executed on; -1 if it cannot be
// told.
int processor_of(pid_t pid, pid_t tid) noexcept {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  char text[1024];
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return -1;
  text[size] = '\0';
  // Field 2 is the thread's name in parentheses and may hold anything; fields count from the last
  // ')'.
  const char* at = strrchr(text, ')');
  for (int field = 2; at != nullptr && field < 39; ++field) at = strchr(at + 1, ' ');
  return at != nullptr ? atoi(at + 1) : -1;
}

}  // namespace

void ProcessorFollower::saw_exception(pid_t pid, pid_t tid) noexcept {
  if (--countdown_ != 0) return;
  const int cpu = processor_of(pid, tid);
  if (cpu < 0 || cpu == current_) {
    interval_ = interval_ < kLongestInterval ? interval_ * 2 : kLongestInterval;
    candidate_ = -1;
  } else if (cpu == candidate_) {
    if (pin_to(cpu)) current_ = cpu;
    interval_ = kFirstInterval;
    candidate_ = -1;
  } else {
    candidate_ = cpu;
    interval_ = kFirstInterval;
  }
  countdown_ = interval_;
}

bool ProcessorFollower::pin_to(int cpu) noexcept {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

}  // namespace kebound::supervisor
