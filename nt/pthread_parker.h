// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/atomic.h"
#include "nt/thread.h"

namespace kebound::nt {

// The Parker of an NT thread that is a host thread of its own. Sticky: one unpark() is remembered.
class PthreadParker final : public Parker {
 public:
  constexpr PthreadParker() noexcept = default;
  PthreadParker(const PthreadParker&) = delete;
  PthreadParker& operator=(const PthreadParker&) = delete;

  void park(int64_t deadline_ns) noexcept override {
    // Acquire pairs with unpark()'s release: what the waker did is seen.
    if (token_.exchange(0, MemoryOrder::AcqRel) != 0) return;
    timespec deadline;
    timespec* timeout = nullptr;
    if (deadline_ns != INT64_MAX) {
      deadline.tv_sec = deadline_ns > 0 ? deadline_ns / 1'000'000'000 : 0;
      deadline.tv_nsec = deadline_ns > 0 ? deadline_ns % 1'000'000'000 : 0;
      timeout = &deadline;
    }
    // WAIT_BITSET takes an absolute CLOCK_MONOTONIC time. A failure (timeout, signal, token set
    // meanwhile) is an early return, which park() may do.
    syscall(SYS_futex, token_.address(), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, timeout,
            nullptr, FUTEX_BITSET_MATCH_ANY);
    token_.exchange(0, MemoryOrder::AcqRel);
  }

  void unpark() noexcept override {
    if (token_.exchange(1, MemoryOrder::AcqRel) == 0) {
      syscall(SYS_futex, token_.address(), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
    }
  }

 private:
  Atomic<uint32_t> token_{};
};

}  // namespace kebound::nt
