// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Dispatch, Handled: the same thread faulting at the same place with the same registers
// again and again gets nowhere. One guard per target thread; the host gives it the registers.
#pragma once

#include <stdint.h>

namespace kebound {

inline constexpr uint64_t kDefaultLivelockLimit = 10'000;

// `State` is compared with ==; it holds everything that decides how the thread goes on.
template <class State>
class LivelockGuard {
 public:
  // Called with the state at the fault for each bound exception of the thread that was answered
  // Handled. True when this is the limit-th time in a row with the same state. A limit of 0 means
  // never.
  [[nodiscard]] bool observe(const State& state, uint64_t limit) noexcept {
    if (limit == 0) return false;
    if (count_ != 0 && state == last_) {
      ++count_;
    } else {
      last_ = state;
      count_ = 1;
    }
    return count_ >= limit;
  }

  // Another answer than Handled came between: the row is broken.
  void forget() noexcept { count_ = 0; }

 private:
  State last_{};
  uint64_t count_ = 0;
};

}  // namespace kebound
