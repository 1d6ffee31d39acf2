// SPDX-License-Identifier: Apache-2.0
#include "rules/limits.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace kebound::rules {
namespace {

// "R" for each reported exception, "." for each other one, "!" for a fatal one.
std::string history(const Limits& limits, int count) {
  RuleCounts counts;
  Atomic<uint64_t> at_site;
  std::string text;
  for (int i = 0; i < count; ++i) {
    const Ruling ruling = decide(limits, counts, at_site);
    text += ruling.is_fatal ? '!' : ruling.is_reported ? 'R' : '.';
  }
  return text;
}

TEST(RuleLimits, All_first_sample_and_nothing_are_what_they_say) {
  EXPECT_EQ(history({}, 3), "RRR");
  EXPECT_EQ(history({.report_count = 1, .reporting = Reporting::First}, 4), "R...");
  EXPECT_EQ(history({.report_count = 3, .reporting = Reporting::First}, 5), "RRR..");
  EXPECT_EQ(history({.report_count = 3, .reporting = Reporting::Sample}, 8), "R..R..R.");
  EXPECT_EQ(history({.report_count = 1, .reporting = Reporting::Sample}, 3), "RRR");
  EXPECT_EQ(history({.reporting = Reporting::Nothing}, 3), "...");
}

TEST(RuleLimits, After_so_many_the_next_one_is_fatal_and_reported_in_any_case) {
  EXPECT_EQ(history({.fatal_after = 2}, 4), "RR!!");
  EXPECT_EQ(history({.fatal_after = 2, .reporting = Reporting::Nothing}, 3), "..!");
  RuleCounts counts;
  Atomic<uint64_t> at_site;
  const Limits limits{.fatal_after = 1, .action = Action::Clamp, .reporting = Reporting::Nothing};
  EXPECT_EQ(decide(limits, counts, at_site).action, Action::Clamp);
  const Ruling last = decide(limits, counts, at_site);
  EXPECT_EQ(last.action, Action::Terminate);
  EXPECT_TRUE(last.is_reported);
  EXPECT_TRUE(last.is_counted);
}

TEST(RuleLimits, What_is_silenced_on_purpose_does_not_count_and_what_is_limited_does) {
  RuleCounts counts;
  Atomic<uint64_t> at_site;
  EXPECT_FALSE(decide({.reporting = Reporting::Nothing}, counts, at_site).is_counted);
  const Limits once{.report_count = 1, .reporting = Reporting::First};
  EXPECT_TRUE(decide(once, counts, at_site).is_counted);
  EXPECT_TRUE(decide(once, counts, at_site).is_counted);
  EXPECT_EQ(counts.matched.load(), 3U);
  EXPECT_EQ(counts.reported.load(), 1U);
  EXPECT_EQ(counts.suppressed.load(), 1U);
}

TEST(RuleLimits, What_is_reported_after_all_is_among_the_reported_and_not_the_suppressed) {
  RuleCounts counts;
  Atomic<uint64_t> at_site;
  static_cast<void>(decide({.reporting = Reporting::Nothing}, counts, at_site));
  report_after_all(counts, false);
  EXPECT_EQ(counts.matched.load(), 1U);
  EXPECT_EQ(counts.reported.load(), 1U);
  EXPECT_EQ(counts.suppressed.load(), 0U);
}

TEST(RuleLimits, Sites_are_counted_each_for_itself_and_the_rule_over_all_of_them) {
  RuleCounts counts;
  Atomic<uint64_t> one;
  Atomic<uint64_t> other;
  const Limits limits{.report_count = 1, .fatal_after = 3, .reporting = Reporting::First};
  EXPECT_TRUE(decide(limits, counts, one).is_reported);
  EXPECT_TRUE(decide(limits, counts, other).is_reported);
  EXPECT_FALSE(decide(limits, counts, one).is_reported);
  EXPECT_TRUE(decide(limits, counts, other).is_fatal);
}

TEST(RuleLimits, Counts_are_exact_however_many_threads_count) {
  constexpr uint64_t kThreads = 8;
  constexpr uint64_t kEach = 20'000;
  struct Totals {
    uint64_t reported = 0;
    uint64_t fatal = 0;
  };
  const auto race = [](const Limits& limits) {
    RuleCounts counts;
    Atomic<uint64_t> at_site;
    std::vector<Totals> totals(kThreads);
    {
      std::vector<std::jthread> threads;
      for (uint64_t i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
          for (uint64_t k = 0; k < kEach; ++k) {
            const Ruling ruling = decide(limits, counts, at_site);
            totals[i].reported += ruling.is_reported;
            totals[i].fatal += ruling.is_fatal;
          }
        });
      }
    }
    Totals sum;
    for (const Totals& it : totals) {
      sum.reported += it.reported;
      sum.fatal += it.fatal;
    }
    EXPECT_EQ(counts.matched.load(), kThreads * kEach);
    EXPECT_EQ(counts.reported.load(), sum.reported);
    return sum;
  };
  EXPECT_EQ(race({.report_count = 1000, .reporting = Reporting::First}).reported, 1000U);
  EXPECT_EQ(race({.report_count = 7, .reporting = Reporting::Sample}).reported,
            (kThreads * kEach + 6) / 7);
  EXPECT_EQ(race({.fatal_after = 150'000}).fatal, kThreads * kEach - 150'000);
}

}  // namespace
}  // namespace kebound::rules
