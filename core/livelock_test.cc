// SPDX-License-Identifier: Apache-2.0
#include "core/livelock.h"

#include <gmock/gmock.h>

namespace kebound {
namespace {

TEST(LivelockGuard, says_so_at_the_limit_and_not_before) {
  LivelockGuard<int> guard;
  for (int i = 1; i < 100; ++i) EXPECT_FALSE(guard.observe(7, 7, 100)) << i;
  EXPECT_TRUE(guard.observe(7, 7, 100));
}

TEST(LivelockGuard, starts_over_when_the_state_changes) {
  LivelockGuard<int> guard;
  EXPECT_FALSE(guard.observe(7, 7, 3));
  EXPECT_FALSE(guard.observe(7, 7, 3));
  EXPECT_FALSE(guard.observe(8, 8, 3));
  EXPECT_FALSE(guard.observe(7, 7, 3));
  EXPECT_FALSE(guard.observe(7, 7, 3));
  EXPECT_TRUE(guard.observe(7, 7, 3));
}

TEST(LivelockGuard, equal_faults_between_which_the_check_passed_are_no_row) {
  // A loop with its counter in memory: always the same index, always repaired.
  LivelockGuard<int> guard;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(guard.observe(12, 9, 3)) << i;
}

TEST(LivelockGuard, a_repair_that_does_not_help_is_a_row_once_nothing_changes_any_more) {
  LivelockGuard<int> guard;
  EXPECT_FALSE(guard.observe(12, 11, 3));
  EXPECT_FALSE(guard.observe(11, 11, 3));
  EXPECT_FALSE(guard.observe(11, 11, 3));
  EXPECT_TRUE(guard.observe(11, 11, 3));
}

TEST(LivelockGuard, counts_a_first_state_that_equals_the_zeroed_one) {
  LivelockGuard<int> guard;
  EXPECT_FALSE(guard.observe(0, 0, 2));
  EXPECT_TRUE(guard.observe(0, 0, 2));
}

TEST(LivelockGuard, starts_over_when_told_to_forget) {
  LivelockGuard<int> guard;
  EXPECT_FALSE(guard.observe(7, 7, 2));
  guard.forget();
  EXPECT_FALSE(guard.observe(7, 7, 2));
  EXPECT_TRUE(guard.observe(7, 7, 2));
}

TEST(LivelockGuard, with_limit_one_the_first_exception_is_one_too_many) {
  LivelockGuard<int> guard;
  EXPECT_TRUE(guard.observe(1, 1, 1));
}

TEST(LivelockGuard, with_limit_zero_never_says_so) {
  LivelockGuard<int> guard;
  for (uint64_t i = 0; i < 2 * kDefaultLivelockLimit; ++i) EXPECT_FALSE(guard.observe(1, 1, 0));
}

TEST(LivelockGuard, limit_defaults_to_ten_thousand) { EXPECT_EQ(kDefaultLivelockLimit, 10'000u); }

}  // namespace
}  // namespace kebound
