// SPDX-License-Identifier: Apache-2.0
#include <atomic>

#include "nt/clock.h"
#include "nt/deferred.h"
#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NtTest;
using testing::relative_ms;
using ::testing::SizeIs;

struct Calls {
  std::atomic<int> count = 0;
  KIRQL irql = 0;
  PVOID arguments[2] = {};
  PKTHREAD thread = nullptr;
  KEVENT* reached = nullptr;
  int want = 1;
};

VOID deferred(KDPC*, PVOID context, PVOID argument1, PVOID argument2) {
  auto& calls = *static_cast<Calls*>(context);
  calls.irql = KeGetCurrentIrql();
  calls.arguments[0] = argument1;
  calls.arguments[1] = argument2;
  calls.thread = KeGetCurrentThread();
  if (++calls.count == calls.want && calls.reached != nullptr) KeSetEvent(calls.reached, 0, FALSE);
}

class KeTimerTest : public NtTest {
 protected:
  KeTimerTest() {
    KeInitializeEvent(&reached_, NotificationEvent, FALSE);
    calls_.reached = &reached_;
    KeInitializeDpc(&dpc_, deferred, &calls_);
  }
  ~KeTimerTest() override {
    KeCancelTimer(&timer_);
    KeFlushQueuedDpcs();
  }
  NTSTATUS wait(PVOID object) {
    LARGE_INTEGER timeout = relative_ms(10'000);
    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &timeout);
  }
  Calls calls_;
  KEVENT reached_;
  KDPC dpc_;
  KTIMER timer_{};
};

TEST_F(KeTimerTest, A_DPC_runs_once_per_queueing_at_DISPATCH_LEVEL_on_another_thread) {
  int a = 0;
  int b = 0;
  EXPECT_TRUE(KeInsertQueueDpc(&dpc_, &a, &b));
  EXPECT_EQ(wait(&reached_), STATUS_SUCCESS);
  KeFlushQueuedDpcs();
  EXPECT_EQ(calls_.count, 1);
  EXPECT_EQ(calls_.irql, DISPATCH_LEVEL);
  EXPECT_THAT(calls_.arguments, ElementsAre(&a, &b));
  EXPECT_NE(calls_.thread, KeGetCurrentThread());
}

TEST_F(KeTimerTest, A_notification_timer_signals_its_waiters_and_stays_signalled) {
  KeInitializeTimer(&timer_);
  EXPECT_FALSE(KeReadStateTimer(&timer_));
  const int64_t begin = monotonic_ns();
  EXPECT_FALSE(KeSetTimer(&timer_, relative_ms(10), &dpc_));
  EXPECT_EQ(wait(&timer_), STATUS_SUCCESS);
  EXPECT_GE(monotonic_ns() - begin, 10'000'000);
  EXPECT_TRUE(KeReadStateTimer(&timer_));
  KeFlushQueuedDpcs();
  EXPECT_EQ(calls_.count, 1);
  EXPECT_FALSE(KeCancelTimer(&timer_));
}

TEST_F(KeTimerTest, A_synchronization_timer_lets_one_through) {
  KeInitializeTimerEx(&timer_, SynchronizationTimer);
  KeSetTimer(&timer_, relative_ms(1), nullptr);
  EXPECT_EQ(wait(&timer_), STATUS_SUCCESS);
  EXPECT_FALSE(KeReadStateTimer(&timer_));
}

TEST_F(KeTimerTest, A_periodic_timer_fires_until_it_is_cancelled) {
  calls_.want = 5;
  KeInitializeTimer(&timer_);
  KeSetTimerEx(&timer_, relative_ms(1), 2, &dpc_);
  EXPECT_EQ(wait(&reached_), STATUS_SUCCESS);
  EXPECT_TRUE(KeCancelTimer(&timer_));
  KeFlushQueuedDpcs();
  const int after = calls_.count;
  LARGE_INTEGER pause = relative_ms(10);
  KeDelayExecutionThread(KernelMode, FALSE, &pause);
  EXPECT_EQ(calls_.count, after);
}

TEST_F(KeTimerTest, Setting_a_set_timer_sets_it_anew) {
  KeInitializeTimer(&timer_);
  EXPECT_FALSE(KeSetTimer(&timer_, relative_ms(60'000), nullptr));
  EXPECT_TRUE(KeSetTimer(&timer_, relative_ms(1), nullptr));
  EXPECT_EQ(wait(&timer_), STATUS_SUCCESS);
}

TEST_F(KeTimerTest, Timers_fire_in_the_order_of_their_times) {
  KTIMER late;
  KeInitializeTimer(&late);
  KeInitializeTimer(&timer_);
  KeSetTimer(&late, relative_ms(60'000), nullptr);
  KeSetTimer(&timer_, relative_ms(1), nullptr);
  EXPECT_EQ(wait(&timer_), STATUS_SUCCESS);
  EXPECT_FALSE(KeReadStateTimer(&late));
  EXPECT_TRUE(KeCancelTimer(&late));
}

// Holds the DPC thread so that what is queued stays queued.
struct Gate {
  std::atomic<bool> entered = false;
  std::atomic<bool> open = false;
  KDPC dpc;
  Gate() {
    KeInitializeDpc(
        &dpc,
        [](KDPC*, PVOID context, PVOID, PVOID) {
          auto& gate = *static_cast<Gate*>(context);
          gate.entered = true;
          while (!gate.open) YieldProcessor();
        },
        this);
    KeInsertQueueDpc(&dpc, nullptr, nullptr);
    while (!entered) YieldProcessor();
  }
  ~Gate() { open = true; }
};

TEST_F(KeTimerTest, A_queued_DPC_is_not_queued_again_and_can_be_removed) {
  Gate gate;
  EXPECT_TRUE(KeInsertQueueDpc(&dpc_, nullptr, nullptr));
  EXPECT_FALSE(KeInsertQueueDpc(&dpc_, nullptr, nullptr));
  EXPECT_TRUE(KeRemoveQueueDpc(&dpc_));
  EXPECT_FALSE(KeRemoveQueueDpc(&dpc_));
  gate.open = true;
  KeFlushQueuedDpcs();
  EXPECT_EQ(calls_.count, 0);
}

TEST_F(KeTimerTest, A_DPC_of_high_importance_overtakes) {
  std::vector<int> order;
  struct Item {
    std::vector<int>* order;
    int number;
  } items[] = {{&order, 1}, {&order, 2}, {&order, 3}};
  KDPC dpcs[3];
  {
    Gate gate;
    for (int i = 0; i < 3; ++i) {
      KeInitializeDpc(
          &dpcs[i],
          [](KDPC*, PVOID context, PVOID, PVOID) {
            const auto& item = *static_cast<Item*>(context);
            item.order->push_back(item.number);
          },
          &items[i]);
    }
    KeSetImportanceDpc(&dpcs[2], HighImportance);
    for (KDPC& dpc : dpcs) KeInsertQueueDpc(&dpc, nullptr, nullptr);
    gate.open = true;
    KeFlushQueuedDpcs();
  }
  EXPECT_THAT(order, ElementsAre(3, 1, 2));
}

TEST_F(KeTimerTest, Flushing_above_PASSIVE_LEVEL_is_bug_check_0A) {
  set_irql(thread_, APC_LEVEL);
  EXPECT_EQ(bug_check_of([] { KeFlushQueuedDpcs(); }).code, 0x0AU);
  set_irql(thread_, PASSIVE_LEVEL);
}

TEST_F(KeTimerTest, What_an_image_leaves_pending_is_found_and_cancelled) {
  KeInitializeTimer(&timer_);
  KeSetTimer(&timer_, relative_ms(60'000), &dpc_);
  Image other;
  EXPECT_THAT(cancel_deferred_of(other), IsEmpty());
  EXPECT_THAT(cancel_deferred_of(testing::test_image()), SizeIs(1));
  EXPECT_FALSE(KeCancelTimer(&timer_));
}

}  // namespace
}  // namespace kebound::nt
