// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Deregister 1 to 4, with at most a handful of threads in a fixed order. The races are in
// tests/torture and tests/model.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "core/registry.h"

namespace kebound {
namespace {

using namespace std::chrono_literals;

void* routine(uintptr_t n) { return reinterpret_cast<void*>(n); }

// Long enough for a thread that could go on to have gone on.
constexpr auto kGrace = 50ms;

void wait_for(const std::atomic<bool>& flag) {
  while (!flag.load()) std::this_thread::yield();
}

// A thread that is inside the callback of `handle` from construction until leave().
class ThreadInCallback {
 public:
  ThreadInCallback(Registry& registry, Handle handle) : handle_(handle) {
    registry.attach(context);
    thread_ = std::thread([this, &registry] {
      registry.dispatch(context, [this](const Registration& r) -> RawAnswer {
        if (r.handle != handle_) return kAnswerContinueSearch;
        inside_ = true;
        wait_for(leave_);
        return kAnswerHandled;
      });
      left = true;
    });
    wait_for(inside_);
  }
  ~ThreadInCallback() { leave(); }
  void leave() {
    leave_ = true;
    if (thread_.joinable()) thread_.join();
  }

  DispatchContext context;
  std::atomic<bool> left{false};

 private:
  const Handle handle_;
  std::atomic<bool> inside_{false};
  std::atomic<bool> leave_{false};
  std::thread thread_;
};

class DeregisterTest : public ::testing::Test {
 protected:
  DeregisterTest() { registry.attach(thread); }
  Registry registry;
  DispatchContext thread;
};

TEST_F(DeregisterTest, a_removed_callback_is_not_asked_again) {
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  ASSERT_EQ(registry.remove(handle, &thread).status, DeregisterStatus::Removed);
  const DispatchOutcome outcome =
      registry.dispatch(thread, [](const Registration&) -> RawAnswer { return kAnswerHandled; });
  EXPECT_EQ(outcome.asked, 0u);
}

TEST_F(DeregisterTest, null_garbage_and_a_second_time_are_invalid_handles) {
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  std::mt19937_64 random(1);
  EXPECT_EQ(registry.remove(0, nullptr).status, DeregisterStatus::InvalidHandle);
  for (Handle slot = 0; slot < 64; ++slot) {
    EXPECT_EQ(registry.remove(slot, nullptr).status, DeregisterStatus::InvalidHandle);
  }
  EXPECT_EQ(registry.remove(~Handle{0}, nullptr).status, DeregisterStatus::InvalidHandle);
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(registry.remove(handle ^ Handle{1} << bit, nullptr).status,
              DeregisterStatus::InvalidHandle);
  }
  for (int i = 0; i < 100'000; ++i) {
    const Handle garbage = random();
    if (garbage == handle) continue;
    ASSERT_EQ(registry.remove(garbage, nullptr).status, DeregisterStatus::InvalidHandle);
  }
  EXPECT_EQ(registry.remove(handle, nullptr).status, DeregisterStatus::Removed);
  EXPECT_EQ(registry.remove(handle, nullptr).status, DeregisterStatus::InvalidHandle);
}

TEST_F(DeregisterTest, another_instances_handle_is_invalid_and_stays_registered_there) {
  Registry other;
  registry.configure(64, 1);
  other.configure(64, 2);
  const Handle ours = registry.add(routine(1), nullptr, nullptr);
  const Handle theirs = other.add(routine(1), nullptr, nullptr);
  EXPECT_EQ(registry.remove(theirs, nullptr).status, DeregisterStatus::InvalidHandle);
  EXPECT_EQ(other.remove(ours, nullptr).status, DeregisterStatus::InvalidHandle);
  EXPECT_EQ(registry.remove(ours, nullptr).status, DeregisterStatus::Removed);
  EXPECT_EQ(other.remove(theirs, nullptr).status, DeregisterStatus::Removed);
}

TEST_F(DeregisterTest, waits_for_a_running_invocation_and_for_nothing_else) {
  const Handle kept = registry.add(routine(1), nullptr, nullptr);
  const Handle removed = registry.add(routine(2), nullptr, nullptr);
  ThreadInCallback in_kept(registry, kept);
  ThreadInCallback in_removed(registry, removed);

  std::atomic<bool> returned{false};
  std::thread remover([&] {
    EXPECT_EQ(registry.remove(removed, nullptr).status, DeregisterStatus::Removed);
    returned = true;
  });
  std::this_thread::sleep_for(kGrace);
  EXPECT_FALSE(returned) << "the callback still runs";
  in_removed.leave();
  remover.join();
  EXPECT_TRUE(returned);
  EXPECT_FALSE(in_kept.left) << "another registration's callback is not waited for";
}

TEST_F(DeregisterTest, does_not_block_dispatch_while_it_waits) {
  const Handle kept = registry.add(routine(1), nullptr, nullptr);
  const Handle removed = registry.add(routine(2), nullptr, nullptr);
  ThreadInCallback in_removed(registry, removed);
  std::thread remover(
      [&] { EXPECT_EQ(registry.remove(removed, nullptr).status, DeregisterStatus::Removed); });
  Registration found;
  while (registry.find(removed, found)) std::this_thread::yield();
  const DispatchOutcome outcome =
      registry.dispatch(thread, [](const Registration&) -> RawAnswer { return kAnswerHandled; });
  EXPECT_EQ(outcome.decided_by.handle, kept);
  in_removed.leave();
  remover.join();
}

TEST_F(DeregisterTest, frees_the_slot_before_it_waits) {
  registry.configure(1, 0);
  const Handle old = registry.add(routine(1), nullptr, nullptr);
  ThreadInCallback in_old(registry, old);
  std::atomic<bool> returned{false};
  std::thread remover([&] {
    EXPECT_EQ(registry.remove(old, nullptr).status, DeregisterStatus::Removed);
    returned = true;
  });
  Handle fresh = 0;
  while (fresh == 0) fresh = registry.add(routine(2), nullptr, nullptr);
  EXPECT_FALSE(returned);
  // The new tenant is asked, and removed without a wait for the old one's callback.
  const DispatchOutcome outcome =
      registry.dispatch(thread, [](const Registration&) -> RawAnswer { return kAnswerHandled; });
  EXPECT_EQ(outcome.decided_by.handle, fresh);
  EXPECT_EQ(registry.remove(fresh, nullptr).status, DeregisterStatus::Removed);
  EXPECT_FALSE(in_old.left);
  in_old.leave();
  remover.join();
}

TEST_F(DeregisterTest, a_loser_returns_at_once_while_the_winner_waits) {
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  ThreadInCallback in_callback(registry, handle);
  std::thread winner(
      [&] { EXPECT_EQ(registry.remove(handle, nullptr).status, DeregisterStatus::Removed); });
  Registration found;
  while (registry.find(handle, found)) std::this_thread::yield();
  EXPECT_EQ(registry.remove(handle, nullptr).status, DeregisterStatus::InvalidHandle);
  EXPECT_FALSE(in_callback.left);
  in_callback.leave();
  winner.join();
}

TEST_F(DeregisterTest, from_inside_the_callback_does_not_wait_for_itself_and_says_so) {
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  DeregisterOutcome removal;
  const DispatchOutcome outcome = registry.dispatch(thread, [&](const Registration&) -> RawAnswer {
    removal = registry.remove(handle, &thread);
    return kAnswerHandled;
  });
  EXPECT_EQ(removal.status, DeregisterStatus::Removed);
  EXPECT_TRUE(removal.from_inside_itself);
  EXPECT_FALSE(removal.broke_deadlock);
  EXPECT_EQ(outcome.verdict, Verdict::Handled);
}

TEST_F(DeregisterTest, from_inside_the_callback_waits_for_the_frames_of_other_threads) {
  const Handle handle = registry.add(routine(1), nullptr, nullptr);
  ThreadInCallback other(registry, handle);
  std::atomic<bool> returned{false};
  std::thread self([&] {
    registry.dispatch(thread, [&](const Registration&) -> RawAnswer {
      EXPECT_TRUE(registry.remove(handle, &thread).from_inside_itself);
      returned = true;
      return kAnswerHandled;
    });
  });
  std::this_thread::sleep_for(kGrace);
  EXPECT_FALSE(returned);
  other.leave();
  self.join();
  EXPECT_TRUE(returned);
}

TEST_F(DeregisterTest, of_another_callback_from_inside_one_is_no_deadlock) {
  const Handle other = registry.add(routine(1), nullptr, nullptr);
  const Handle own = registry.add(routine(2), nullptr, nullptr);
  ThreadInCallback in_other(registry, other);
  std::thread self([&] {
    registry.dispatch(thread, [&](const Registration& r) -> RawAnswer {
      EXPECT_EQ(r.handle, own);
      const DeregisterOutcome outcome = registry.remove(other, &thread);
      EXPECT_EQ(outcome.status, DeregisterStatus::Removed);
      EXPECT_FALSE(outcome.broke_deadlock);
      EXPECT_FALSE(outcome.from_inside_itself);
      EXPECT_TRUE(in_other.left || in_other.context.current() == 0);
      return kAnswerHandled;
    });
  });
  std::this_thread::sleep_for(kGrace);
  in_other.leave();
  self.join();
}

// `count` threads, each inside its own callback, each deregisters the next one's.
void ring_of_deregistrations(int count) {
  Registry registry;
  std::vector<DispatchContext> contexts(static_cast<size_t>(count));
  std::vector<Handle> handles(static_cast<size_t>(count));
  std::vector<DeregisterOutcome> outcomes(static_cast<size_t>(count));
  for (size_t i = 0; i < handles.size(); ++i) {
    registry.attach(contexts[i]);
    handles[i] = registry.add(routine(i + 1), nullptr, nullptr);
  }
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < handles.size(); ++i) {
    threads.emplace_back([&, i] {
      registry.dispatch(contexts[i], [&](const Registration& r) -> RawAnswer {
        if (r.handle != handles[i]) return kAnswerContinueSearch;
        ++inside;
        while (inside < count) std::this_thread::yield();
        outcomes[i] = registry.remove(handles[(i + 1) % handles.size()], &contexts[i]);
        return kAnswerHandled;
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  int broken = 0;
  for (size_t i = 0; i < handles.size(); ++i) {
    EXPECT_EQ(outcomes[i].status, DeregisterStatus::Removed);
    EXPECT_FALSE(outcomes[i].from_inside_itself);
    if (!outcomes[i].broke_deadlock) {
      EXPECT_EQ(outcomes[i].deadlocked_with, 0u);
      continue;
    }
    ++broken;
    EXPECT_EQ(outcomes[i].deadlocked_with, handles[(i + 2) % handles.size()])
        << "what the thread that was not waited for is deregistering";
  }
  EXPECT_EQ(broken, 1);
}

TEST_F(DeregisterTest, mutual_deregistration_is_broken_by_exactly_one_that_names_the_other) {
  ring_of_deregistrations(2);
}

TEST_F(DeregisterTest, longer_rings_are_broken_by_exactly_one_too) {
  ring_of_deregistrations(3);
  ring_of_deregistrations(7);
}

}  // namespace
}  // namespace kebound
