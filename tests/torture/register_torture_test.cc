// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Register, under load; and the pool of contexts, and dispatch where it may interrupt
// anything.
#include <pthread.h>
#include <signal.h>

#include <algorithm>

#include "tests/torture/torture.h"

namespace kebound::torture {
namespace {

TEST(RegisterTorture, a_registration_is_asked_once_by_each_dispatch_between_add_and_remove) {
  TestRegistry registry;
  constexpr int kRounds = 300'000;
  constexpr size_t kThreads = 3;
  std::vector<TestContext> contexts(kThreads);
  std::atomic<int> wrong{0};
  std::atomic<int> disordered{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    registry.attach(contexts[t]);
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        const Handle handle = registry.add(routine(t + 1), nullptr, nullptr);
        if (handle == 0) ++wrong;
        int asked = 0;
        Handle before = ~Handle{0};
        registry.dispatch(contexts[t], [&](const Registration& r) -> RawAnswer {
          if (r.handle == handle) ++asked;
          if (r.handle >> 6 >= before >> 6) ++disordered;
          before = r.handle;
          return kAnswerContinueSearch;
        });
        if (asked != 1) ++wrong;
        if (registry.remove(handle, &contexts[t]).status != DeregisterStatus::Removed) ++wrong;
        asked = 0;
        registry.dispatch(contexts[t], [&](const Registration& r) -> RawAnswer {
          if (r.handle == handle) ++asked;
          return kAnswerContinueSearch;
        });
        if (asked != 0) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(disordered, 0) << "not newest first";
  Registration left[kMaxRegistrations];
  EXPECT_EQ(registry.list(left), 0u);
}

TEST(RegisterTorture, a_full_registry_refuses_and_never_gives_a_handle_twice) {
  TestRegistry registry;
  registry.configure(4, 0);
  constexpr int kRounds = 100'000;
  constexpr int kThreads = 3;
  std::vector<Handle> given[kThreads];
  std::atomic<int> alive{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::vector<Handle>& mine : given) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        Handle held[3];
        for (Handle& handle : held) {
          handle = registry.add(routine(1), nullptr, nullptr);
          if (handle == 0) continue;
          mine.push_back(handle);
          if (++alive > 4) ++wrong;
        }
        for (const Handle handle : held) {
          if (handle == 0) continue;
          --alive;
          if (registry.remove(handle, nullptr).status != DeregisterStatus::Removed) ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  std::vector<Handle> all;
  for (const std::vector<Handle>& mine : given) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

TEST(RegisterTorture, what_a_callback_is_handed_belongs_together) {
  TestRegistry registry;
  registry.configure(1, 0);  // all tenants in one slot
  std::atomic<int> torn{0};
  Dispatchers dispatchers(registry, 2, [&](const Registration& r, TestContext&) {
    if (r.context != r.routine || r.call_site != r.routine) ++torn;
    if (reinterpret_cast<uintptr_t>(r.routine) != r.handle >> 6) ++torn;
    return kAnswerContinueSearch;
  });
  for (uintptr_t n = 1; n <= 400'000; ++n) {
    const Handle handle = registry.add(routine(n), routine(n), routine(n));
    ASSERT_EQ(handle >> 6, n);
    ASSERT_EQ(registry.remove(handle, nullptr).status, DeregisterStatus::Removed);
  }
  dispatchers.stop();
  EXPECT_EQ(torn, 0);
}

TEST(ContextTorture, a_pool_gives_a_context_to_one_thread_at_a_time) {
  TestRegistry registry;
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  ASSERT_NE(handle, 0u);
  constexpr int kRounds = 50'000;
  TestContext pool[2];
  int uses[2] = {};  // plain: ThreadSanitizer sees a claim that excludes nobody
  for (TestContext& context : pool) registry.attach(context);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds;) {
        for (size_t i = 0; i < 2; ++i) {
          if (!pool[i].try_claim()) continue;
          ++uses[i];
          ++round;
          const DispatchOutcome outcome = registry.dispatch(
              pool[i], [](const Registration&) -> RawAnswer { return kAnswerHandled; });
          if (outcome.decided_by.handle != handle) ++wrong;
          pool[i].release();
        }
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(uses[0] + uses[1], 4 * kRounds);
}

// A signal handler that dispatches on contexts of a pool, as the in-process host does.
struct SignalScene {
  TestRegistry registry;
  TestContext pool[4];
  std::atomic<uint64_t> handled{0};
  std::atomic<uint64_t> torn{0};
};
SignalScene* scene = nullptr;

void dispatch_in_handler(int) {
  for (TestContext& context : scene->pool) {
    if (!context.try_claim()) continue;
    scene->registry.dispatch(context, [](const Registration& r) -> RawAnswer {
      if (r.context != r.routine) ++scene->torn;
      return kAnswerContinueSearch;
    });
    context.release();
    ++scene->handled;
    return;
  }
}

TEST(ContextTorture, dispatch_in_a_signal_handler_may_interrupt_add_and_remove) {
  SignalScene the_scene;
  scene = &the_scene;
  for (TestContext& context : the_scene.pool) the_scene.registry.attach(context);
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = dispatch_in_handler;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  std::atomic<bool> stop{false};
  std::thread interrupted([&] {
    while (!stop) {
      const Handle handle = the_scene.registry.add(routine(1), routine(1), nullptr);
      if (the_scene.registry.remove(handle, nullptr).status != DeregisterStatus::Removed) {
        ++the_scene.torn;
      }
    }
  });
  const pthread_t target = interrupted.native_handle();
  for (uint64_t i = 0; i < 5'000; ++i) {
    ASSERT_EQ(pthread_kill(target, SIGUSR1), 0);
    if (i % 8 == 0) {
      EXPECT_TRUE(eventually([&] { return the_scene.handled > i / 64; }));
    }
  }
  stop = true;
  interrupted.join();
  ASSERT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
  EXPECT_GT(the_scene.handled, 0u);
  EXPECT_EQ(the_scene.torn, 0u);
}

}  // namespace
}  // namespace kebound::torture
