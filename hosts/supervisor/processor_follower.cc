// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/processor_follower.h"

#include <sched.h>

#include "hosts/posix/process_facts.h"

namespace kebound::supervisor {

void ProcessorFollower::saw_exception(pid_t pid, pid_t tid) {
  if (--countdown_ != 0) return;
  const int cpu = posix::processor_of(pid, tid);
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
