// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>
#include <time.h>

namespace kebound::nt {

[[nodiscard]] inline int64_t clock_ns(clockid_t clock) noexcept {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}
[[nodiscard]] inline int64_t monotonic_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }

// 100 ns units between 1601-01-01 and 1970-01-01.
inline constexpr int64_t kUnixEpoch = 116'444'736'000'000'000;

[[nodiscard]] inline int64_t system_time() noexcept {
  return clock_ns(CLOCK_REALTIME) / 100 + kUnixEpoch;
}

// A time as NT's waits and timers take it (100 ns units; negative: from now on, else since 1601) as
// CLOCK_MONOTONIC nanoseconds. Saturates at "never" (INT64_MAX).
[[nodiscard]] inline int64_t deadline_ns(int64_t due_time) noexcept {
  const int64_t now = monotonic_ns();
  int64_t wait = 0;
  if (due_time < 0) {
    if (__builtin_mul_overflow(due_time, int64_t{-100}, &wait)) return INT64_MAX;
  } else {
    const int64_t ahead = due_time - system_time();
    if (ahead <= 0) return now;
    if (__builtin_mul_overflow(ahead, int64_t{100}, &wait)) return INT64_MAX;
  }
  int64_t deadline = 0;
  return __builtin_add_overflow(now, wait, &deadline) ? INT64_MAX : deadline;
}

}  // namespace kebound::nt
