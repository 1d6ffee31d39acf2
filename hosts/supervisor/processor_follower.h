// SPDX-License-Identifier: Apache-2.0
//
// Keeps the tracing thread on the processor that the targets run on: a stop and its continuation
// then are two context switches on one processor instead of two wake-ups across processors, which
// cost several times as much. The target's own affinity is never touched: a program can see that.
#pragma once

#include <stdint.h>
#include <sys/types.h>

namespace kebound::supervisor {

class ProcessorFollower {
 public:
  // Called at each exception of a thread that is stopped. Looks at the thread's processor now and
  // then, and moves the calling thread when two looks in a row agree on another one.
  void saw_exception(pid_t pid, pid_t tid);

  // Keeps the calling thread to one processor. False if that processor does not exist or is not
  // allowed.
  static bool pin_to(int cpu) noexcept;

 private:
  static constexpr uint32_t kFirstInterval = 16;
  static constexpr uint32_t kLongestInterval = 2048;

  uint32_t countdown_ = 1;
  uint32_t interval_ = kFirstInterval;
  int candidate_ = -1;
  int current_ = -1;
};

}  // namespace kebound::supervisor
