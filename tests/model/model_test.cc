// SPDX-License-Identifier: Apache-2.0
//
// The claims of docs/memory-model.md, explored.
#include <gmock/gmock.h>

#include <cstdio>

#include "tests/model/scenarios.h"

namespace kebound::model {
namespace {

using ::testing::HasSubstr;

void expect_holds(Scenario&& scenario, unsigned preemptions, uint64_t random_walks = 20'000) {
  Scheduler scheduler;
  Options options;
  options.preemptions = preemptions;
  options.random_walks = random_walks;
  const Result result = scheduler.explore(scenario, options);
  EXPECT_EQ(result.violation, "") << result.trace;
  EXPECT_TRUE(result.complete) << "not everything within the bound was explored";
  printf("%llu executions, %u preemptions exhaustively\n",
         static_cast<unsigned long long>(result.executions), preemptions);
}

void expect_found(Scenario&& scenario, const char* violation) {
  Scheduler scheduler;
  Options options;
  options.preemptions = 3;
  const Result result = scheduler.explore(scenario, options);
  EXPECT_THAT(result.violation, HasSubstr(violation));
  EXPECT_THAT(result.trace, ::testing::Not(HasSubstr("another way")));
  printf("found in execution %llu\n", static_cast<unsigned long long>(result.executions));
}

TEST(Model, no_callback_runs_or_starts_after_its_removal) {
  expect_holds(DispatchAgainstRemovers<>(1, 1), 7);
  expect_holds(DispatchAgainstRemovers<>(1, 2), 5);
}

TEST(Model, of_two_removals_one_succeeds_and_the_other_does_not_wait) {
  expect_holds(DispatchAgainstRemovers<>(2, 1), 4);
}

TEST(Model, a_callback_may_remove_itself_while_other_threads_run_it) {
  expect_holds(SelfRemoval<>(1), 1);
  expect_holds(SelfRemoval<>(2), 5);
}

TEST(Model, two_that_remove_each_other_do_not_deadlock) {
  expect_holds(RingRemoval<>(2, true), 4);
  expect_holds(RingRemoval<>(2, false), 4);
}

TEST(Model, three_that_remove_each_other_do_not_deadlock) {
  expect_holds(RingRemoval<>(3, true), 2);
  expect_holds(RingRemoval<>(3, false), 2);
}

TEST(Model, a_deadlock_among_several_frames_of_one_registration_is_broken_by_exactly_one) {
  expect_holds(SharedCallbackRing<>(), 2);
}

TEST(Model, a_slot_is_reused_during_a_drain_and_the_tenants_are_not_mistaken) {
  expect_holds(SlotReuse<>(), 3);
}

TEST(Model, a_new_registration_is_neither_lost_nor_doubled_nor_torn) {
  expect_holds(AddAgainstDispatch<>(), 6);
}

TEST(Model, a_removal_never_waits_for_another_registrations_callback) {
  expect_holds(OthersCallback<>(), 5);
}

TEST(ModelTeeth, finds_the_missing_heavy_barrier) {
  expect_found(DispatchAgainstRemovers<Mutation::NoHeavyBarrier>(1, 1), "remove() returned");
}

TEST(ModelTeeth, finds_active_set_by_a_plain_store) {
  expect_found(DispatchAgainstRemovers<Mutation::PlainD1>(1, 1), "remove()");
}

TEST(ModelTeeth, finds_the_missing_wake) {
  expect_found(DispatchAgainstRemovers<Mutation::NoWake>(1, 1), "a wake-up was lost");
}

TEST(ModelTeeth, finds_the_missing_barrier_before_sleep) {
  expect_found(DispatchAgainstRemovers<Mutation::NoBarrierBeforeSleep>(1, 1), "a wake-up was lost");
}

TEST(ModelTeeth, finds_a_removal_that_is_not_atomic) {
  expect_found(DispatchAgainstRemovers<Mutation::TornR1>(2, 1), "two removals");
}

TEST(ModelTeeth, finds_an_unlocked_search_of_the_wait_graph) {
  expect_found(RingRemoval<Mutation::NoWaitsLock>(2, true),
               "a deadlock was not broken by exactly one");
}

}  // namespace
}  // namespace kebound::model
