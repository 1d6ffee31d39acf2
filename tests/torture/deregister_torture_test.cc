// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Deregister 2 and 4, under load.
#include <random>

#include "tests/torture/torture.h"

namespace kebound::torture {
namespace {

TEST(DeregisterTorture, of_racing_calls_with_one_handle_exactly_one_succeeds) {
  TestRegistry registry;
  Dispatchers dispatchers(registry, 1,
                          [](const Registration&, TestContext&) { return kAnswerContinueSearch; });
  constexpr int kRounds = 600;
  constexpr int kParties = 3;
  RoundBarrier barrier(kParties);
  std::atomic<Handle> handle{0};
  std::atomic<int> successes{0};
  int wrong = 0;
  std::vector<std::thread> threads;
  for (int party = 0; party < kParties; ++party) {
    threads.emplace_back([&, party] {
      for (int round = 0; round < kRounds; ++round) {
        if (party == 0) {
          successes = 0;
          handle = registry.add(routine(1), nullptr, nullptr);
        }
        barrier.arrive_and_wait();
        if (registry.remove(handle, nullptr).status == DeregisterStatus::Removed) ++successes;
        barrier.arrive_and_wait();
        if (party == 0 && successes != 1) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(DeregisterTorture,
     inside_the_callback_every_registration_is_removed_once_and_never_called_again) {
  TestRegistry registry;
  constexpr uintptr_t kRounds = 10'000;
  std::vector<std::atomic<int>> removed(kRounds + 1);
  std::atomic<int> wrong{0};
  std::atomic<uint64_t> total{0};
  Dispatchers dispatchers(registry, 3, [&](const Registration& r, TestContext& self) -> RawAnswer {
    const auto n = reinterpret_cast<uintptr_t>(r.routine);
    const DeregisterOutcome outcome = registry.remove(r.handle, &self);
    if (outcome.status == DeregisterStatus::Removed) {
      if (!outcome.from_inside_itself || outcome.broke_deadlock) ++wrong;
      ++removed[n];
      ++total;
    } else if (outcome.from_inside_itself) {
      ++wrong;
    }
    return kAnswerHandled;
  });
  for (uintptr_t n = 1; n <= kRounds; ++n) {
    ASSERT_TRUE(eventually([&] { return registry.add(routine(n), nullptr, nullptr) != 0; }));
  }
  EXPECT_TRUE(eventually([&] { return total >= kRounds; }));
  dispatchers.stop();
  EXPECT_EQ(wrong, 0);
  for (uintptr_t n = 1; n <= kRounds; ++n) ASSERT_EQ(removed[n], 1) << n;
}

// `parties` threads, each inside a callback of its own, deregister each other's in a ring, again
// and again.
void ring(size_t parties, int rounds) {
  TestRegistry registry;
  std::vector<TestContext> contexts(parties);
  std::vector<std::atomic<Handle>> handles(parties);
  std::vector<DeregisterOutcome> outcomes(parties);
  for (TestContext& context : contexts) registry.attach(context);
  RoundBarrier barrier(static_cast<int>(parties));
  int wrong = 0;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < parties; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < rounds; ++round) {
        handles[i] = registry.add(routine(i + 1), nullptr, nullptr);
        barrier.arrive_and_wait();
        registry.dispatch(contexts[i], [&](const Registration& r) -> RawAnswer {
          if (r.handle != handles[i]) return kAnswerContinueSearch;
          barrier.arrive_and_wait();
          outcomes[i] = registry.remove(handles[(i + 1) % parties], &contexts[i]);
          return kAnswerHandled;
        });
        barrier.arrive_and_wait();
        if (i == 0) {
          int broken = 0;
          for (size_t k = 0; k < parties; ++k) {
            const DeregisterOutcome& o = outcomes[k];
            if (o.status != DeregisterStatus::Removed || o.from_inside_itself) ++wrong;
            if (o.broke_deadlock) ++broken;
            if (o.deadlocked_with != (o.broke_deadlock ? handles[(k + 2) % parties].load() : 0))
              ++wrong;
          }
          if (broken != 1) ++wrong;
        }
        barrier.arrive_and_wait();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(DeregisterTorture, two_that_remove_each_other_are_told_apart_by_exactly_one) {
  ring(2, 10'000);
}

TEST(DeregisterTorture, three_that_remove_each_other_are_told_apart_by_exactly_one) {
  ring(3, 5'000);
}

// More dying registrations at once than there are slots: each thread's registration is removed, and
// so its slot reused, while the thread is still inside.
TEST(DeregisterTorture, a_ring_longer_than_the_registry_has_slots_is_found_too) {
  constexpr size_t kParties = 80;
  TestRegistry registry;
  registry.configure(8, 0);
  std::vector<TestContext> contexts(kParties);
  std::vector<Handle> handles(kParties);
  std::atomic<size_t> entered{0};
  std::atomic<size_t> stage{0};
  std::atomic<int> broken{0};
  std::vector<std::thread> threads;
  // Thread i is inside h[i]; i+1's registration is made once i's is dead. Thread 0 removes last
  // what the last thread is in; all the others wait for the thread before them.
  for (size_t i = 0; i < kParties; ++i) {
    registry.attach(contexts[i]);
    handles[i] = registry.add(routine(i + 1), nullptr, nullptr);
    ASSERT_NE(handles[i], 0u) << i;
    threads.emplace_back([&, i] {
      registry.dispatch(contexts[i], [&](const Registration& r) -> RawAnswer {
        if (r.handle != handles[i]) return kAnswerContinueSearch;
        ++entered;
        if (i == 0) {
          while (stage != kParties) std::this_thread::yield();
        }
        const DeregisterOutcome outcome =
            registry.remove(handles[i == 0 ? kParties - 1 : i - 1], &contexts[i]);
        EXPECT_EQ(outcome.status, DeregisterStatus::Removed);
        if (outcome.broke_deadlock) ++broken;
        return kAnswerHandled;
      });
    });
    ASSERT_TRUE(eventually([&] { return entered == i + 1; }));
    Registration found;
    ASSERT_TRUE(i == 0 || eventually([&] { return !registry.find(handles[i - 1], found); }));
  }
  stage = kParties;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(broken, 1);
}

TEST(DeregisterTorture, forged_and_stale_handles_never_remove_anything_under_load) {
  TestRegistry registry;
  registry.configure(64, 0x5AFE);
  std::atomic<Handle> live{registry.add(routine(1), nullptr, nullptr)};
  const Handle fixed = registry.add(routine(2), nullptr, nullptr);
  std::atomic<bool> stop{false};
  std::atomic<int> forged{0};
  std::vector<std::thread> forgers;
  for (unsigned seed = 1; seed <= 2; ++seed) {
    forgers.emplace_back([&, seed] {
      std::mt19937_64 random(seed);
      while (!stop) {
        // Never a handle that was given out and is alive, but as close to one as can be.
        const Handle stale = live.load() - (Handle{1} << 6);
        const Handle guesses[] = {random(),
                                  fixed ^ Handle{1} << random() % 6,
                                  stale ^ 1,
                                  0,
                                  fixed ^ Handle{1} << 63,
                                  fixed ^ Handle{1} << 48,
                                  random() % 64};
        for (const Handle guess : guesses) {
          if (guess == fixed) continue;
          if (registry.remove(guess, nullptr).status == DeregisterStatus::Removed) ++forged;
        }
      }
    });
  }
  std::atomic<uint64_t> fixed_calls{0};
  Dispatchers dispatchers(registry, 1, [&](const Registration& r, TestContext&) {
    if (r.handle == fixed) fixed_calls.fetch_add(1, std::memory_order_relaxed);
    return kAnswerContinueSearch;
  });
  int lost = 0;
  for (int i = 0; i < 200'000; ++i) {
    if (registry.remove(live, nullptr).status != DeregisterStatus::Removed) ++lost;
    live = registry.add(routine(1), nullptr, nullptr);
  }
  EXPECT_TRUE(eventually([&] { return dispatchers.dispatches() != 0; }));
  stop = true;
  for (std::thread& thread : forgers) thread.join();
  dispatchers.stop();
  EXPECT_EQ(forged, 0);
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(fixed_calls, dispatchers.dispatches())
      << "the registration that stayed was asked each time";
}

}  // namespace
}  // namespace kebound::torture
