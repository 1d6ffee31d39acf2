// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Deregister 1 and 3, under load.
#include <memory>

#include "tests/torture/torture.h"

namespace kebound::torture {
namespace {

// What a callback's context points to. Plain memory on purpose: ThreadSanitizer sees each access
// that remove() did not order, and `alive` tells the rest.
struct Canary {
  bool alive = true;
  uint32_t touched = 0;
};

// Reads the canary over a stretch of time, now and then across a loss of the processor.
RawAnswer touch(const Registration& r, std::atomic<uint64_t>& calls, std::atomic<uint64_t>& late) {
  const auto* canary = static_cast<const volatile Canary*>(r.context);
  const uint64_t call = calls.fetch_add(1, std::memory_order_relaxed);
  for (int look = 0; look < 20; ++look) {
    if (!canary->alive) {
      late.fetch_add(1, std::memory_order_relaxed);
      break;
    }
    if (look == 10 && call % 64 == 0) std::this_thread::yield();
  }
  return kAnswerContinueSearch;
}

TEST(RundownTorture, no_invocation_runs_or_starts_after_remove_returned) {
  TestRegistry registry;
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> late{0};
  Dispatchers dispatchers(
      registry, 3, [&](const Registration& r, TestContext&) { return touch(r, calls, late); });
  constexpr int kRounds = 3'000;
  std::vector<std::unique_ptr<Canary>> canaries;
  for (int i = 0; i < kRounds; ++i) {
    canaries.push_back(std::make_unique<Canary>());
    Canary& canary = *canaries.back();
    const Handle handle = registry.add(routine(1), &canary, nullptr);
    ASSERT_NE(handle, 0u);
    if (i % 4 == 0) {
      // Make sure that somebody has been in it, so that the removal finds it in use.
      const uint64_t before = calls;
      ASSERT_TRUE(eventually([&] { return calls != before; }));
    }
    ASSERT_EQ(registry.remove(handle, nullptr).status, DeregisterStatus::Removed);
    canary.alive = false;
  }
  dispatchers.stop();
  EXPECT_EQ(late, 0u) << "callbacks ran after remove() had returned";
  EXPECT_GT(calls, uint64_t{kRounds / 4});
}

TEST(RundownTorture, the_slot_is_free_for_others_before_the_wait_ends) {
  TestRegistry registry;
  registry.configure(1, 0);
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> late{0};
  std::atomic<bool> hold{false};
  std::atomic<int> held{0};
  Dispatchers dispatchers(registry, 2, [&](const Registration& r, TestContext&) {
    if (r.call_site != nullptr && hold) {
      ++held;
      while (hold) std::this_thread::yield();
      --held;
    }
    return touch(r, calls, late);
  });
  for (int i = 0; i < 150; ++i) {
    Canary old_canary;
    Canary new_canary;
    hold = true;
    const Handle old_handle = registry.add(routine(1), &old_canary, &hold);
    ASSERT_NE(old_handle, 0u);
    ASSERT_TRUE(eventually([&] { return held != 0; }));
    std::thread remover([&] {
      ASSERT_EQ(registry.remove(old_handle, nullptr).status, DeregisterStatus::Removed);
      old_canary.alive = false;
    });
    Handle new_handle = 0;
    EXPECT_TRUE(eventually([&] {
      new_handle = registry.add(routine(2), &new_canary, nullptr);
      return new_handle != 0;
    }));
    EXPECT_NE(held, 0) << "the old tenant's callback still runs";
    EXPECT_EQ(registry.remove(new_handle, nullptr).status, DeregisterStatus::Removed);
    new_canary.alive = false;
    hold = false;
    remover.join();
  }
  dispatchers.stop();
  EXPECT_EQ(late, 0u);
}

// Each callback of `kept` lasts until another removal is through. A removal that waited for it,
// directly or by a lost wake-up, would wait for itself.
TEST(RundownTorture, never_waits_for_another_registrations_callback) {
  TestRegistry registry;
  std::atomic<uint64_t> removals{0};
  std::atomic<bool> finished{false};
  std::atomic<bool> stuck{false};
  const Handle kept = registry.add(routine(1), nullptr, nullptr);
  Dispatchers dispatchers(registry, 2, [&](const Registration& r, TestContext&) {
    if (r.handle == kept) {
      const uint64_t seen = removals;
      if (!eventually([&] { return removals != seen || finished || stuck; })) stuck = true;
    }
    return kAnswerContinueSearch;
  });
  constexpr int kRounds = 100'000;
  for (int i = 0; i < kRounds && !stuck; ++i) {
    const Handle handle = registry.add(routine(2), nullptr, nullptr);
    ASSERT_EQ(registry.remove(handle, nullptr).status, DeregisterStatus::Removed);
    ++removals;
    if (i % 16 == 0) std::this_thread::yield();
  }
  finished = true;
  dispatchers.stop();
  EXPECT_FALSE(stuck) << "a removal waited for a callback that was not its own";
  EXPECT_EQ(registry.remove(kept, nullptr).status, DeregisterStatus::Removed);
}

}  // namespace
}  // namespace kebound::torture
