// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>

#include "nt/clock.h"
#include "nt/dispatcher.h"
#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using testing::NtTest;
using testing::relative_ms;

class KeWaitTest : public NtTest {
 protected:
  static NTSTATUS poll(PVOID object) {
    LARGE_INTEGER zero;
    zero.QuadPart = 0;
    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &zero);
  }
  static NTSTATUS wait(PVOID object) {
    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, nullptr);
  }
};

TEST_F(KeWaitTest, A_notification_event_stays_signalled) {
  KEVENT event;
  KeInitializeEvent(&event, NotificationEvent, FALSE);
  EXPECT_EQ(poll(&event), STATUS_TIMEOUT);
  EXPECT_EQ(KeSetEvent(&event, IO_NO_INCREMENT, FALSE), 0);
  EXPECT_NE(KeSetEvent(&event, IO_NO_INCREMENT, FALSE), 0);
  EXPECT_EQ(poll(&event), STATUS_SUCCESS);
  EXPECT_EQ(poll(&event), STATUS_SUCCESS);
  EXPECT_NE(KeResetEvent(&event), 0);
  EXPECT_EQ(poll(&event), STATUS_TIMEOUT);
}

TEST_F(KeWaitTest, A_synchronization_event_lets_one_through) {
  KEVENT event;
  KeInitializeEvent(&event, SynchronizationEvent, TRUE);
  EXPECT_EQ(poll(&event), STATUS_SUCCESS);
  EXPECT_EQ(poll(&event), STATUS_TIMEOUT);
  EXPECT_EQ(KeReadStateEvent(&event), 0);
}

TEST_F(KeWaitTest, A_wait_blocks_until_another_thread_sets_the_event) {
  KEVENT event;
  KeInitializeEvent(&event, SynchronizationEvent, FALSE);
  std::atomic<bool> set = false;
  std::thread setter([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    set = true;
    KeSetEvent(&event, 0, FALSE);
  });
  EXPECT_EQ(wait(&event), STATUS_SUCCESS);
  EXPECT_TRUE(set);
  setter.join();
}

TEST_F(KeWaitTest, A_wait_times_out_not_before_its_time) {
  KEVENT event;
  KeInitializeEvent(&event, NotificationEvent, FALSE);
  LARGE_INTEGER timeout = relative_ms(15);
  const int64_t begin = monotonic_ns();
  EXPECT_EQ(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &timeout), STATUS_TIMEOUT);
  EXPECT_GE(monotonic_ns() - begin, 15'000'000);
  KeSetEvent(&event, 0, FALSE);  // nobody is in its list any more
}

TEST_F(KeWaitTest, An_absolute_time_in_the_past_times_out_at_once) {
  KEVENT event;
  KeInitializeEvent(&event, NotificationEvent, FALSE);
  LARGE_INTEGER timeout;
  timeout.QuadPart = 1;
  EXPECT_EQ(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &timeout), STATUS_TIMEOUT);
}

TEST_F(KeWaitTest, WaitAny_says_which_and_takes_only_that) {
  KEVENT events[3];
  for (KEVENT& event : events) KeInitializeEvent(&event, SynchronizationEvent, FALSE);
  PVOID objects[] = {&events[0], &events[1], &events[2]};
  KeSetEvent(&events[1], 0, FALSE);
  KeSetEvent(&events[2], 0, FALSE);
  EXPECT_EQ(
      KeWaitForMultipleObjects(3, objects, WaitAny, Executive, KernelMode, FALSE, nullptr, nullptr),
      STATUS_WAIT_1);
  EXPECT_EQ(KeReadStateEvent(&events[1]), 0);
  EXPECT_EQ(KeReadStateEvent(&events[2]), 1);
}

TEST_F(KeWaitTest, WaitAll_takes_all_or_nothing) {
  KEVENT events[2];
  for (KEVENT& event : events) KeInitializeEvent(&event, SynchronizationEvent, FALSE);
  PVOID objects[] = {&events[0], &events[1]};
  LARGE_INTEGER timeout = relative_ms(5);
  KeSetEvent(&events[0], 0, FALSE);
  EXPECT_EQ(KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, &timeout,
                                     nullptr),
            STATUS_TIMEOUT);
  EXPECT_EQ(KeReadStateEvent(&events[0]), 1);
  std::thread setter([&] { KeSetEvent(&events[1], 0, FALSE); });
  EXPECT_EQ(
      KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, nullptr, nullptr),
      STATUS_SUCCESS);
  setter.join();
  EXPECT_EQ(KeReadStateEvent(&events[0]), 0);
  EXPECT_EQ(KeReadStateEvent(&events[1]), 0);
}

TEST_F(KeWaitTest, Sixty_four_objects_need_a_block_array_and_sixty_five_are_too_many) {
  std::vector<KEVENT> events(65);
  std::vector<PVOID> objects;
  for (KEVENT& event : events) {
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    objects.push_back(&event);
  }
  std::vector<KWAIT_BLOCK> blocks(64);
  KeSetEvent(&events[63], 0, FALSE);
  EXPECT_EQ(KeWaitForMultipleObjects(64, objects.data(), WaitAny, Executive, KernelMode, FALSE,
                                     nullptr, blocks.data()),
            STATUS_WAIT_63);
  const auto wait_for = [&](ULONG count, PKWAIT_BLOCK array) {
    return bug_check_of([&] {
      KeWaitForMultipleObjects(count, objects.data(), WaitAny, Executive, KernelMode, FALSE,
                               nullptr, array);
    });
  };
  EXPECT_EQ(wait_for(65, blocks.data()).code, 0x0CU);
  EXPECT_EQ(wait_for(4, nullptr).code, 0x0CU);
  EXPECT_EQ(wait_for(0, nullptr).code, 0x0CU);
}

TEST_F(KeWaitTest, One_object_given_twice_is_left_clean) {
  KEVENT event;
  KeInitializeEvent(&event, SynchronizationEvent, FALSE);
  PVOID objects[] = {&event, &event};
  std::thread setter([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    KeSetEvent(&event, 0, FALSE);
  });
  EXPECT_EQ(
      KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, nullptr, nullptr),
      STATUS_WAIT_0);
  setter.join();
  EXPECT_TRUE(IsListEmpty(&event.Header.WaitListHead));
}

TEST_F(KeWaitTest, A_wait_at_DISPATCH_LEVEL_is_bug_check_0A_but_a_poll_is_not) {
  KEVENT event;
  KeInitializeEvent(&event, NotificationEvent, TRUE);
  KIRQL old;
  KeRaiseIrql(DISPATCH_LEVEL, &old);
  EXPECT_EQ(poll(&event), STATUS_SUCCESS);
  const BugCheck record = bug_check_of([&] { wait(&event); });
  EXPECT_EQ(record.code, 0x0AU);
  EXPECT_EQ(record.parameters[1], 2U);
  LARGE_INTEGER interval = relative_ms(1);
  EXPECT_EQ(bug_check_of([&] { KeDelayExecutionThread(KernelMode, FALSE, &interval); }).code,
            0x0AU);
  KeLowerIrql(old);
}

TEST_F(KeWaitTest, A_wait_for_what_is_no_object_is_bug_check_C4) {
  KEVENT event{};
  event.Header.Type = 77;
  EXPECT_EQ(bug_check_of([&] { poll(&event); }).code, 0xC4U);
}

TEST_F(KeWaitTest, A_delay_lasts_its_interval) {
  LARGE_INTEGER interval = relative_ms(10);
  const int64_t begin = monotonic_ns();
  EXPECT_EQ(KeDelayExecutionThread(KernelMode, FALSE, &interval), STATUS_SUCCESS);
  EXPECT_GE(monotonic_ns() - begin, 10'000'000);
}

TEST_F(KeWaitTest, A_mutex_is_recursive_and_keeps_its_owner_in_a_critical_region) {
  KMUTEX mutex;
  KeInitializeMutex(&mutex, 0);
  EXPECT_EQ(wait(&mutex), STATUS_SUCCESS);
  EXPECT_TRUE(KeAreApcsDisabled());
  EXPECT_EQ(wait(&mutex), STATUS_SUCCESS);
  EXPECT_EQ(KeReadStateMutex(&mutex), -1);
  NTSTATUS others = STATUS_SUCCESS;
  std::thread([&] {
    testing::become_nt_thread();
    others = poll(&mutex);
  }).join();
  EXPECT_EQ(others, STATUS_TIMEOUT);
  EXPECT_EQ(KeReleaseMutex(&mutex, FALSE), -1);
  EXPECT_TRUE(KeAreApcsDisabled());
  EXPECT_EQ(KeReleaseMutex(&mutex, FALSE), 0);
  EXPECT_FALSE(KeAreApcsDisabled());
  EXPECT_EQ(bug_check_of([&] { KeReleaseMutex(&mutex, FALSE); }).code, 0x1EU);
}

TEST_F(KeWaitTest, Mutexes_exclude_each_other_under_contention) {
  KMUTEX mutex;
  KeInitializeMutex(&mutex, 0);
  int counter = 0;
  const auto run = [&] {
    testing::become_nt_thread();
    for (int i = 0; i < 2000; ++i) {
      wait(&mutex);
      ++counter;
      KeReleaseMutex(&mutex, FALSE);
    }
  };
  std::thread a(run);
  std::thread b(run);
  run();
  a.join();
  b.join();
  EXPECT_EQ(counter, 6000);
}

TEST_F(KeWaitTest, A_semaphore_counts_and_keeps_its_limit) {
  KSEMAPHORE semaphore;
  KeInitializeSemaphore(&semaphore, 1, 3);
  EXPECT_EQ(poll(&semaphore), STATUS_SUCCESS);
  EXPECT_EQ(poll(&semaphore), STATUS_TIMEOUT);
  EXPECT_EQ(KeReleaseSemaphore(&semaphore, 0, 2, FALSE), 0);
  EXPECT_EQ(KeReadStateSemaphore(&semaphore), 2);
  const BugCheck record = bug_check_of([&] { KeReleaseSemaphore(&semaphore, 0, 2, FALSE); });
  EXPECT_EQ(record.code, 0x1EU);
  EXPECT_EQ(static_cast<NTSTATUS>(record.parameters[0]), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
  EXPECT_EQ(KeReadStateSemaphore(&semaphore), 2);
}

TEST_F(KeWaitTest, Waiters_are_served_in_the_order_they_came) {
  KSEMAPHORE semaphore;
  KeInitializeSemaphore(&semaphore, 0, 10);
  std::mutex mutex;
  std::vector<int> order;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      testing::become_nt_thread();
      wait(&semaphore);
      const std::lock_guard lock(mutex);
      order.push_back(i);
    });
    // In the list before the next one starts.
    const auto waiting = [&] {
      const DispatcherLock lock;
      int count = 0;
      const LIST_ENTRY* head = &semaphore.Header.WaitListHead;
      for (const LIST_ENTRY* at = head->Flink; at != head; at = at->Flink) ++count;
      return count;
    };
    while (waiting() != i + 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (size_t i = 0; i < 3; ++i) {
    KeReleaseSemaphore(&semaphore, 0, 1, FALSE);
    for (bool done = false; !done; std::this_thread::yield()) {
      const std::lock_guard lock(mutex);
      done = order.size() == i + 1;
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2));
}

TEST(KeWaitWithoutThreadTest, A_host_thread_that_is_no_NT_thread_cannot_wait) {
  testing::RecordingHost host;
  set_host(&host);
  KEVENT event;
  KeInitializeEvent(&event, NotificationEvent, TRUE);
  uint32_t code = 0;
  std::thread([&] {
    try {
      KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, nullptr);
    } catch (const testing::Raised& raised) {
      code = raised.record.code;
    }
  }).join();
  EXPECT_EQ(code, 0xC4U);
}

}  // namespace
}  // namespace kebound::nt
