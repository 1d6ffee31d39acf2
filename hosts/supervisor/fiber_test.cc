// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/fiber.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "core/pal.h"
#include "hosts/supervisor/tracing_thread.h"
#include "nt/thread.h"

namespace kebound::supervisor {
namespace {

std::string trace;  // what happened, in order

void resumed(void*) {}
void left(void*, bool ended) { trace += ended ? "ended;" : "parked;"; }

class FiberTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    become_tracing_thread();
    nt::adopt_host_thread();
  }
  void SetUp() override { trace.clear(); }

  // Never destroyed: its fibers' NT threads are attached to the registry for good.
  FiberScheduler& scheduler_ = *new FiberScheduler({resumed, left, wake_tracing_thread});

  void run_until_nothing_is_parked() {
    while (scheduler_.parked() != 0) {
      const int64_t deadline = scheduler_.next_deadline();
      if (deadline != 0) sleep_until(deadline);
      scheduler_.run_ready();
    }
  }
};

TEST_F(FiberTest, ATaskThatDoesNotWaitEndsWithinStart) {
  int value = 0;
  scheduler_.start([](Fiber&, void* argument) { *static_cast<int*>(argument) = 42; }, &value);
  EXPECT_EQ(value, 42);
  EXPECT_EQ(trace, "ended;");
  EXPECT_EQ(scheduler_.parked(), 0U);
}

TEST_F(FiberTest, AParkedTaskGoesOnAfterUnparkFromAnotherThread) {
  struct Shared {
    Fiber* fiber = nullptr;
    bool went_on = false;
  } shared;
  scheduler_.start(
      [](Fiber& fiber, void* argument) {
        auto& s = *static_cast<Shared*>(argument);
        s.fiber = &fiber;
        fiber.park(INT64_MAX);
        s.went_on = true;
      },
      &shared);
  EXPECT_FALSE(shared.went_on);
  EXPECT_EQ(scheduler_.parked(), 1U);
  std::thread other([&] { shared.fiber->unpark(); });
  run_until_nothing_is_parked();
  other.join();
  EXPECT_TRUE(shared.went_on);
  EXPECT_EQ(trace, "parked;ended;");
}

TEST_F(FiberTest, AnUnparkThatComesFirstMakesTheNextParkReturnAtOnce) {
  scheduler_.start(
      [](Fiber& fiber, void*) {
        fiber.unpark();
        fiber.park(INT64_MAX);
        trace += "through;";
      },
      nullptr);
  EXPECT_EQ(trace, "through;ended;");
}

TEST_F(FiberTest, ATokenDoesNotOutliveItsTask) {
  scheduler_.start([](Fiber& fiber, void*) { fiber.unpark(); }, nullptr);
  // The same fiber is used again; the left-over unpark is not for this task.
  scheduler_.start([](Fiber& fiber, void*) { fiber.park(monotonic_ns() + 1'000'000); }, nullptr);
  EXPECT_EQ(trace, "ended;parked;");
  run_until_nothing_is_parked();
  EXPECT_EQ(trace, "ended;parked;ended;");
}

TEST_F(FiberTest, FibersWhoseDeadlinesPassGoOnInTheOrderOfTheDeadlines) {
  struct Task {
    char name;
    int64_t deadline;
  } late{'l', monotonic_ns() + 30'000'000}, early{'e', monotonic_ns() + 10'000'000};
  const auto body = [](Fiber& fiber, void* argument) {
    auto& task = *static_cast<Task*>(argument);
    while (monotonic_ns() < task.deadline) fiber.park(task.deadline);
    trace += task.name;
  };
  scheduler_.start(body, &late);
  scheduler_.start(body, &early);
  EXPECT_LE(scheduler_.next_deadline(), early.deadline);
  run_until_nothing_is_parked();
  EXPECT_LT(trace.find('e'), trace.find('l')) << trace;
}

TEST_F(FiberTest, AnAbandonedFiberIsNeverRunAgain) {
  scheduler_.start(
      [](Fiber&, void* argument) { static_cast<FiberScheduler*>(argument)->abandon_current(); },
      &scheduler_);
  EXPECT_EQ(trace, "parked;") << "left, not ended";
  EXPECT_EQ(scheduler_.parked(), 0U);
  EXPECT_EQ(FiberScheduler::current(), nullptr);
  scheduler_.start([](Fiber&, void*) { trace += "another;"; }, nullptr);
  EXPECT_EQ(trace, "parked;another;ended;");
}

TEST_F(FiberTest, EachFiberIsItsOwnNtThread) {
  nt::Thread* first = nullptr;
  scheduler_.start(
      [](Fiber& fiber, void* argument) {
        *static_cast<nt::Thread**>(argument) = nt::current_thread();
        EXPECT_EQ(nt::current_thread(), &fiber.thread());
        fiber.park(monotonic_ns() + 2'000'000);
        EXPECT_EQ(nt::current_thread(), &fiber.thread());
      },
      &first);
  EXPECT_EQ(nt::current_thread(), nullptr);
  nt::Thread* second = nullptr;
  scheduler_.start(
      [](Fiber&, void* argument) { *static_cast<nt::Thread**>(argument) = nt::current_thread(); },
      &second);
  EXPECT_NE(first, second);
  run_until_nothing_is_parked();
}

TEST_F(FiberTest, AWaitOfTheCoreParksTheFiberAndItsWakeUnparksIt) {
  uint64_t word = 7;
  scheduler_.start(
      [](Fiber&, void* argument) {
        auto* const waited = static_cast<uint64_t*>(argument);
        while (__atomic_load_n(waited, __ATOMIC_SEQ_CST) == 7) pal::wait_while_equal(waited, 7);
        trace += "changed;";
      },
      &word);
  EXPECT_EQ(trace, "parked;");
  std::thread other([&] {
    __atomic_store_n(&word, 8, __ATOMIC_SEQ_CST);
    pal::wake_all(&word);
  });
  run_until_nothing_is_parked();
  other.join();
  EXPECT_EQ(trace, "parked;changed;ended;");
}

}  // namespace
}  // namespace kebound::supervisor
