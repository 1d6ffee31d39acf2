// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Register 1 to 4 and Dispatch, as far as the registry is concerned.
#include "core/registry.h"

#include <gmock/gmock.h>

#include <memory>
#include <set>
#include <vector>

namespace kebound {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

void* routine(uintptr_t n) { return reinterpret_cast<void*>(n); }
uintptr_t number(const Registration& r) { return reinterpret_cast<uintptr_t>(r.routine); }

class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest() { registry.attach(thread); }

  // The routines in the order in which they are asked; the one numbered `decider` gives `answer`.
  std::vector<uintptr_t> ask_all(uintptr_t decider = 0, RawAnswer answer = kAnswerHandled) {
    std::vector<uintptr_t> asked;
    outcome = registry.dispatch(thread, [&](const Registration& r) -> RawAnswer {
      asked.push_back(number(r));
      return number(r) == decider ? answer : kAnswerContinueSearch;
    });
    return asked;
  }

  Registry registry;
  DispatchContext thread;
  DispatchOutcome outcome;
};

TEST_F(RegistryTest, is_valid_when_zeroed) {
  alignas(Registry) static unsigned char zeroed[sizeof(Registry)];
  auto& raw = reinterpret_cast<Registry&>(zeroed);
  const Handle handle = raw.add(routine(1), nullptr, nullptr);
  EXPECT_NE(handle, 0u);
  EXPECT_EQ(raw.remove(handle, nullptr).status, DeregisterStatus::Removed);
}

TEST_F(RegistryTest, refuses_a_null_routine_and_changes_nothing) {
  EXPECT_EQ(registry.add(nullptr, this, this), 0u);
  EXPECT_THAT(ask_all(), IsEmpty());
  Registration all[kMaxRegistrations];
  EXPECT_EQ(registry.list(all), 0u);
}

TEST_F(RegistryTest, takes_64_registrations_by_default_and_refuses_the_65th_without_a_change) {
  for (uintptr_t i = 1; i <= 64; ++i) ASSERT_NE(registry.add(routine(i), nullptr, nullptr), 0u);
  EXPECT_EQ(registry.add(routine(65), nullptr, nullptr), 0u);
  std::vector<uintptr_t> newest_first;
  for (uintptr_t i = 64; i >= 1; --i) newest_first.push_back(i);
  EXPECT_EQ(ask_all(), newest_first);
}

TEST_F(RegistryTest, capacities_of_zero_and_beyond_64_mean_64) {
  for (const uint32_t capacity : {0u, 65u, ~0u}) {
    auto fresh = std::make_unique<Registry>();
    fresh->configure(capacity, 0);
    int taken = 0;
    while (fresh->add(routine(1), nullptr, nullptr) != 0) ++taken;
    EXPECT_EQ(taken, 64) << capacity;
  }
}

TEST_F(RegistryTest, with_one_slot_a_second_registration_gets_null_whoever_asks) {
  registry.configure(1, 0);
  const Handle first = registry.add(routine(1), nullptr, nullptr);
  ASSERT_NE(first, 0u);
  EXPECT_EQ(registry.add(routine(1), nullptr, nullptr), 0u);
  EXPECT_EQ(registry.add(routine(2), nullptr, nullptr), 0u);
  EXPECT_THAT(ask_all(), ElementsAre(1));
  EXPECT_EQ(registry.remove(first, nullptr).status, DeregisterStatus::Removed);
  EXPECT_NE(registry.add(routine(2), nullptr, nullptr), 0u);
  EXPECT_THAT(ask_all(), ElementsAre(2));
}

TEST_F(RegistryTest, asks_newest_first_also_when_slots_were_reused_out_of_order) {
  Handle handles[5];
  for (uintptr_t i = 0; i < 5; ++i) handles[i] = registry.add(routine(i + 1), nullptr, nullptr);
  EXPECT_THAT(ask_all(), ElementsAre(5, 4, 3, 2, 1));
  ASSERT_EQ(registry.remove(handles[3], nullptr).status, DeregisterStatus::Removed);
  ASSERT_EQ(registry.remove(handles[1], nullptr).status, DeregisterStatus::Removed);
  ASSERT_NE(registry.add(routine(6), nullptr, nullptr), 0u);
  ASSERT_NE(registry.add(routine(7), nullptr, nullptr), 0u);
  EXPECT_THAT(ask_all(), ElementsAre(7, 6, 5, 3, 1));
}

TEST_F(RegistryTest, hands_the_callback_what_was_registered) {
  int context = 0;
  int site = 0;
  const Handle handle = registry.add(routine(9), &context, &site);
  registry.dispatch(thread, [&](const Registration& r) -> RawAnswer {
    EXPECT_EQ(r.handle, handle);
    EXPECT_EQ(r.routine, routine(9));
    EXPECT_EQ(r.context, &context);
    EXPECT_EQ(r.call_site, &site);
    EXPECT_EQ(thread.current(), handle);
    EXPECT_TRUE(thread.dispatching());
    return kAnswerContinueSearch;
  });
  EXPECT_EQ(thread.current(), 0u);
  EXPECT_FALSE(thread.dispatching());
}

TEST_F(RegistryTest, the_same_routine_twice_gets_two_handles_and_is_asked_twice) {
  const Handle one = registry.add(routine(1), nullptr, nullptr);
  const Handle two = registry.add(routine(1), nullptr, nullptr);
  EXPECT_NE(one, two);
  EXPECT_THAT(ask_all(), ElementsAre(1, 1));
  EXPECT_EQ(registry.remove(one, nullptr).status, DeregisterStatus::Removed);
  EXPECT_THAT(ask_all(), ElementsAre(1));
  EXPECT_EQ(registry.remove(two, nullptr).status, DeregisterStatus::Removed);
}

TEST_F(RegistryTest, continue_search_asks_the_next_and_after_the_last_nobody_handled_it) {
  ASSERT_NE(registry.add(routine(1), nullptr, nullptr), 0u);
  ASSERT_NE(registry.add(routine(2), nullptr, nullptr), 0u);
  EXPECT_THAT(ask_all(), ElementsAre(2, 1));
  EXPECT_EQ(outcome.verdict, Verdict::NotHandled);
  EXPECT_EQ(outcome.asked, 2u);
  EXPECT_EQ(outcome.answer, kAnswerContinueSearch);
}

TEST_F(RegistryTest, without_registrations_nobody_is_asked) {
  EXPECT_THAT(ask_all(), IsEmpty());
  EXPECT_EQ(outcome.verdict, Verdict::NotHandled);
  EXPECT_EQ(outcome.asked, 0u);
}

TEST_F(RegistryTest, any_other_answer_ends_the_search_with_its_verdict) {
  ASSERT_NE(registry.add(routine(1), nullptr, nullptr), 0u);
  const Handle middle = registry.add(routine(2), nullptr, nullptr);
  ASSERT_NE(registry.add(routine(3), nullptr, nullptr), 0u);
  const struct {
    RawAnswer answer;
    Verdict verdict;
  } cases[] = {{kAnswerHandled, Verdict::Handled},
               {kAnswerError, Verdict::Error},
               {kAnswerMaximum, Verdict::InvalidAnswer},
               {0x80000001u, Verdict::InvalidAnswer},
               {~0u, Verdict::InvalidAnswer}};
  for (const auto& c : cases) {
    EXPECT_THAT(ask_all(2, c.answer), ElementsAre(3, 2)) << c.answer;
    EXPECT_EQ(outcome.verdict, c.verdict) << c.answer;
    EXPECT_EQ(outcome.answer, c.answer);
    EXPECT_EQ(outcome.asked, 2u);
    EXPECT_EQ(outcome.decided_by.handle, middle);
    EXPECT_FALSE(thread.dispatching());
  }
}

TEST_F(RegistryTest, a_registration_made_inside_a_callback_is_asked_from_the_next_exception_on) {
  ASSERT_NE(registry.add(routine(1), nullptr, nullptr), 0u);
  std::vector<uintptr_t> asked;
  registry.dispatch(thread, [&](const Registration& r) -> RawAnswer {
    asked.push_back(number(r));
    EXPECT_NE(registry.add(routine(2), nullptr, nullptr), 0u);
    return kAnswerContinueSearch;
  });
  EXPECT_THAT(asked, ElementsAre(1));
  EXPECT_THAT(ask_all(), ElementsAre(2, 1));
}

TEST_F(RegistryTest, a_registration_removed_by_an_earlier_callback_of_the_search_is_not_asked) {
  const Handle oldest = registry.add(routine(1), nullptr, nullptr);
  const Handle middle = registry.add(routine(2), nullptr, nullptr);
  ASSERT_NE(registry.add(routine(3), nullptr, nullptr), 0u);
  std::vector<uintptr_t> asked;
  const DispatchOutcome result = registry.dispatch(thread, [&](const Registration& r) -> RawAnswer {
    asked.push_back(number(r));
    if (number(r) == 3) {
      EXPECT_EQ(registry.remove(middle, &thread).status, DeregisterStatus::Removed);
      // A new tenant of the slot is another registration: not part of this search.
      EXPECT_NE(registry.add(routine(4), nullptr, nullptr), 0u);
    }
    return kAnswerContinueSearch;
  });
  EXPECT_THAT(asked, ElementsAre(3, 1));
  EXPECT_EQ(result.asked, 2u);
  EXPECT_EQ(registry.remove(oldest, nullptr).status, DeregisterStatus::Removed);
}

TEST_F(RegistryTest, handles_carry_slot_generation_and_instance_tag_in_their_bits) {
  registry.configure(64, 0xBEEF);
  const Handle first = registry.add(routine(1), nullptr, nullptr);
  const Handle second = registry.add(routine(1), nullptr, nullptr);
  EXPECT_EQ(first, uint64_t{0xBEEF} << 48 | uint64_t{1} << 6 | 0);
  EXPECT_EQ(second, uint64_t{0xBEEF} << 48 | uint64_t{2} << 6 | 1);
}

TEST_F(RegistryTest, handles_are_never_given_twice) {
  std::set<Handle> seen;
  for (int i = 0; i < 100'000; ++i) {
    const Handle handle = registry.add(routine(1), nullptr, nullptr);
    ASSERT_NE(handle, 0u);
    ASSERT_TRUE(seen.insert(handle).second);
    ASSERT_EQ(registry.remove(handle, nullptr).status, DeregisterStatus::Removed);
  }
}

TEST_F(RegistryTest, refuses_for_ever_when_the_generations_are_used_up_and_changes_nothing) {
  constexpr uint64_t kGenerations = (uint64_t{1} << 42) - 1;
  registry.configure(64, 1, kGenerations - 2);
  const Handle a = registry.add(routine(1), nullptr, nullptr);
  const Handle b = registry.add(routine(2), nullptr, nullptr);
  EXPECT_NE(a, 0u);
  EXPECT_EQ(b, uint64_t{1} << 48 | kGenerations << 6 | 1);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(registry.add(routine(3), nullptr, nullptr), 0u);
  EXPECT_THAT(ask_all(), ElementsAre(2, 1));
  EXPECT_EQ(registry.remove(b, nullptr).status, DeregisterStatus::Removed);
  EXPECT_EQ(registry.add(routine(3), nullptr, nullptr), 0u);
  EXPECT_EQ(registry.remove(b, nullptr).status, DeregisterStatus::InvalidHandle);
  EXPECT_EQ(registry.remove(a, nullptr).status, DeregisterStatus::Removed);
}

TEST_F(RegistryTest, a_successor_with_used_generations_knows_none_of_its_predecessors_handles) {
  const Handle old = registry.add(routine(1), nullptr, nullptr);
  Registry successor;
  successor.configure(64, 0, 1);
  const Handle fresh = successor.add(routine(1), nullptr, nullptr);
  EXPECT_NE(old, fresh);
  EXPECT_EQ(successor.remove(old, nullptr).status, DeregisterStatus::InvalidHandle);
  Registry beyond;
  beyond.configure(64, 0, ~uint64_t{0});
  EXPECT_EQ(beyond.add(routine(1), nullptr, nullptr), 0u);
}

TEST_F(RegistryTest, find_tells_live_handles_from_all_others) {
  int context = 0;
  const Handle handle = registry.add(routine(1), &context, nullptr);
  Registration found;
  ASSERT_TRUE(registry.find(handle, found));
  EXPECT_EQ(found.handle, handle);
  EXPECT_EQ(found.context, &context);
  found = {};
  EXPECT_FALSE(registry.find(0, found));
  EXPECT_FALSE(registry.find(handle + 1, found));
  EXPECT_FALSE(registry.find(handle ^ uint64_t{1} << 63, found));
  EXPECT_EQ(found.handle, 0u) << "a failed find must not write";
  ASSERT_EQ(registry.remove(handle, nullptr).status, DeregisterStatus::Removed);
  EXPECT_FALSE(registry.find(handle, found));
}

TEST_F(RegistryTest, list_gives_the_live_registrations_newest_first) {
  const Handle a = registry.add(routine(1), nullptr, nullptr);
  const Handle b = registry.add(routine(2), nullptr, nullptr);
  const Handle c = registry.add(routine(3), nullptr, nullptr);
  ASSERT_EQ(registry.remove(a, nullptr).status, DeregisterStatus::Removed);
  const Handle d = registry.add(routine(4), nullptr, nullptr);
  Registration all[kMaxRegistrations];
  ASSERT_EQ(registry.list(all), 3u);
  EXPECT_EQ(all[0].handle, d);
  EXPECT_EQ(all[1].handle, c);
  EXPECT_EQ(all[2].handle, b);
}

TEST_F(RegistryTest, a_context_attached_late_sees_the_registrations_that_are_there) {
  ASSERT_NE(registry.add(routine(1), nullptr, nullptr), 0u);
  DispatchContext late;
  registry.attach(late);
  const DispatchOutcome result =
      registry.dispatch(late, [](const Registration&) -> RawAnswer { return kAnswerHandled; });
  EXPECT_EQ(result.verdict, Verdict::Handled);
}

TEST_F(RegistryTest, a_context_is_claimed_by_one_at_a_time) {
  EXPECT_TRUE(thread.try_claim());
  EXPECT_FALSE(thread.try_claim());
  thread.release();
  EXPECT_TRUE(thread.try_claim());
}

TEST_F(RegistryTest, what_two_processors_write_while_dispatching_is_on_lines_of_their_own) {
  static_assert(alignof(DispatchContext) == kCacheLine);
  static_assert(sizeof(DispatchContext) % kCacheLine == 0);
  DispatchContext contexts[2];
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&contexts[0]) % kCacheLine, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&contexts[1]) % kCacheLine, 0u);
}

}  // namespace
}  // namespace kebound
