// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Dispatch, Handled: the same thread faulting at the same place with the same registers
// again and again gets nowhere. One guard per target thread; the host gives it the registers.
//
// "Again" is: it faults in the very state in which it was resumed. A loop whose counter is in
// memory comes back to its check with equal registers each time and is no livelock, because between
// two faults the check passed.
#pragma once

#include <stdint.h>

namespace kebound {

inline constexpr uint64_t kDefaultLivelockLimit = 10'000;

// `State` is compared with ==; it holds everything that decides how the thread goes on.
template <class State>
class LivelockGuard {
 public:
  // Called for each bound exception of the thread that was answered Handled, with the state at the
  // fault and the one that it is resumed in. True when this is the limit-th fault in a row that
  // got nowhere. A limit of 0 means never.
  [[nodiscard]] bool observe(const State& fault, const State& resumed, uint64_t limit) noexcept {
    if (limit == 0) return false;
    count_ = stuck_ && fault == state_ ? count_ + 1 : 1;
    // A thread that is resumed in another state than it faulted in comes, at the soonest, into a
    // row with its next fault: there is nothing to keep.
    stuck_ = fault == resumed;
    if (stuck_) state_ = fault;
    return count_ >= limit;
  }

  // Another answer than Handled came between: the row is broken.
  void forget() noexcept { stuck_ = false; }

 private:
  State state_{};       // of the last fault, and what it was resumed in
  bool stuck_ = false;  // there was such a fault
  uint64_t count_ = 0;
};

}  // namespace kebound
