// SPDX-License-Identifier: Apache-2.0
//
// Dispatches that never return, and handles that have to fit 32 bits: what a host in the process
// itself needs of the registry.
#include <gmock/gmock.h>
#include <setjmp.h>

#include <atomic>
#include <thread>

#include "core/registry.h"

namespace kebound {
namespace {

void* routine(uintptr_t n) { return reinterpret_cast<void*>(n); }

class AbandonTest : public ::testing::Test {
 protected:
  AbandonTest() {
    registry.attach(here);
    registry.attach(there);
  }

  // A thread that is inside the callback of `handle`, on context `there`, until leave is set.
  std::thread enter(std::atomic<bool>& leave) {
    std::atomic<bool> inside{false};
    std::thread thread([this, &inside, &leave] {
      registry.dispatch(there, [&](const Registration&) -> RawAnswer {
        inside = true;
        while (!leave) std::this_thread::yield();
        return kAnswerHandled;
      });
    });
    while (!inside) std::this_thread::yield();
    return thread;
  }

  Registry registry;
  DispatchContext here;
  DispatchContext there;
};

// Leaves a dispatch the way no callback should.
void escape_from_dispatch(Registry& registry, DispatchContext& context) {
  static jmp_buf outside;
  if (setjmp(outside) != 0) return;
  registry.dispatch(context, [](const Registration&) -> RawAnswer { longjmp(outside, 1); });
}

TEST_F(AbandonTest,
       a_removal_does_not_wait_for_an_abandoned_dispatch_and_the_context_serves_again) {
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  escape_from_dispatch(registry, here);
  EXPECT_TRUE(here.dispatching());
  EXPECT_EQ(here.current(), handle);
  registry.abandon(here);
  EXPECT_FALSE(here.dispatching());
  EXPECT_EQ(here.current(), 0u);
  EXPECT_EQ(registry.remove(handle, &there).status, DeregisterStatus::Removed);
  ASSERT_NE(registry.add(routine(2), nullptr, nullptr), 0u);
  EXPECT_EQ(registry.dispatch(here, [](const Registration&) -> RawAnswer { return kAnswerHandled; })
                .asked,
            1u);
}

TEST_F(AbandonTest, abandoning_wakes_a_removal_that_waits_already) {
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  escape_from_dispatch(registry, here);
  std::atomic<bool> removed{false};
  std::thread removing([&] {
    registry.remove(handle, &there);
    removed = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_FALSE(removed);
  registry.abandon(here);
  removing.join();
}

TEST_F(AbandonTest, abandoning_nothing_changes_nothing) {
  registry.abandon(here);
  EXPECT_FALSE(here.dispatching());
}

TEST_F(AbandonTest, a_child_waits_for_nobody_but_itself_and_other_contexts_are_free) {
  ASSERT_TRUE(there.try_claim());
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  std::atomic<bool> leave{false};
  std::thread thread = enter(leave);
  registry.forget_other_threads(&here);  // as in the child of a fork
  EXPECT_FALSE(there.dispatching());
  EXPECT_TRUE(there.try_claim());
  EXPECT_EQ(registry.remove(handle, &here).status, DeregisterStatus::Removed);
  leave = true;
  thread.join();
}

TEST_F(AbandonTest, a_childs_own_dispatch_goes_on) {
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  const DispatchOutcome outcome = registry.dispatch(here, [&](const Registration&) -> RawAnswer {
    registry.forget_other_threads(&here);
    EXPECT_TRUE(here.dispatching());
    EXPECT_EQ(here.current(), handle);
    return kAnswerHandled;
  });
  EXPECT_EQ(outcome.verdict, Verdict::Handled);
}

TEST_F(AbandonTest, live_registrations_and_free_slots_survive_in_a_child) {
  Handle handles[kMaxRegistrations];
  for (Handle& handle : handles) handle = registry.add(routine(1), nullptr, nullptr);
  registry.remove(handles[5], &here);
  registry.forget_other_threads(&here);
  handles[5] = registry.add(routine(2), nullptr, nullptr);
  EXPECT_NE(handles[5], 0u);
  EXPECT_EQ(registry.add(routine(3), nullptr, nullptr), 0u);
  for (const Handle handle : handles) {
    EXPECT_EQ(registry.remove(handle, &here).status, DeregisterStatus::Removed);
  }
}

struct NarrowSystem : HostSystem {
  static constexpr unsigned kGenerationBits = 26;
};

TEST(NarrowHandleTest, handles_fit_32_bits_and_are_refused_when_they_are_used_up) {
  constexpr uint64_t kGenerations = uint64_t{1} << 26;
  static BasicRegistry<NarrowSystem> registry;
  registry.configure(64, 0, kGenerations - 4);
  Handle last = 0;
  for (int i = 0; i < 3; ++i) {
    const Handle handle = registry.add(routine(1), nullptr, nullptr);
    ASSERT_NE(handle, 0u);
    EXPECT_LE(handle, UINT32_MAX);
    EXPECT_NE(handle, last);
    last = handle;
  }
  EXPECT_EQ(registry.add(routine(1), nullptr, nullptr), 0u);
  EXPECT_EQ(registry.remove(last, nullptr).status, DeregisterStatus::Removed);
  EXPECT_EQ(registry.add(routine(1), nullptr, nullptr), 0u);
  EXPECT_EQ(registry.remove(last | uint64_t{1} << 32, nullptr).status,
            DeregisterStatus::InvalidHandle);
}

}  // namespace
}  // namespace kebound
