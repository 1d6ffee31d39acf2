// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include <thread>

#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using ::testing::ElementsAre;
using testing::NtTest;

using KeIrqlTest = NtTest;

TEST_F(KeIrqlTest, Raising_and_lowering_shows_in_the_thread_and_in_the_KPCR) {
  KIRQL old = 77;
  KeRaiseIrql(DISPATCH_LEVEL, &old);
  EXPECT_EQ(old, PASSIVE_LEVEL);
  EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
  EXPECT_EQ(KeGetPcr()->Irql, DISPATCH_LEVEL);
  EXPECT_EQ(__readgsbyte(0x50), DISPATCH_LEVEL);
  KeLowerIrql(old);
  EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
  EXPECT_EQ(KeGetPcr()->Irql, PASSIVE_LEVEL);
}

TEST_F(KeIrqlTest, Raising_downwards_and_lowering_upwards_is_bug_check_0A) {
  KIRQL old;
  KeRaiseIrql(DISPATCH_LEVEL, &old);
  EXPECT_EQ(bug_check_of([&] { KeRaiseIrql(APC_LEVEL, &old); }).code, 0x0AU);
  EXPECT_EQ(bug_check_of([] { KeLowerIrql(HIGH_LEVEL); }).code, 0x0AU);
  EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
}

TEST_F(KeIrqlTest, Critical_regions_nest_and_guarded_regions_disable_all_APCs) {
  EXPECT_FALSE(KeAreApcsDisabled());
  KeEnterCriticalRegion();
  KeEnterCriticalRegion();
  KeLeaveCriticalRegion();
  EXPECT_TRUE(KeAreApcsDisabled());
  EXPECT_FALSE(KeAreAllApcsDisabled());
  KeEnterGuardedRegion();
  EXPECT_TRUE(KeAreAllApcsDisabled());
  KeLeaveGuardedRegion();
  KeLeaveCriticalRegion();
  EXPECT_FALSE(KeAreApcsDisabled());
}

TEST_F(KeIrqlTest, A_leave_without_an_enter_is_reported_and_changes_nothing) {
  KeLeaveCriticalRegion();
  EXPECT_THAT(take_rules(), ElementsAre("critical-region"));
  EXPECT_FALSE(KeAreApcsDisabled());
}

TEST_F(KeIrqlTest, APC_LEVEL_disables_APCs) {
  KIRQL old;
  KeRaiseIrql(APC_LEVEL, &old);
  EXPECT_TRUE(KeAreApcsDisabled());
  EXPECT_TRUE(KeAreAllApcsDisabled());
  KeLowerIrql(old);
}

TEST_F(KeIrqlTest, The_current_thread_is_at_gs_188_and_the_KPCR_at_gs_18) {
  EXPECT_EQ(reinterpret_cast<Thread*>(KeGetCurrentThread()), &thread_);
  EXPECT_EQ(PsGetCurrentThread(), KeGetCurrentThread());
  EXPECT_EQ(__readgsqword(0x20), __readgsqword(0x18) + 0x180);
  PKTHREAD other = nullptr;
  std::thread([&] {
    testing::become_nt_thread();
    other = KeGetCurrentThread();
  }).join();
  EXPECT_NE(other, KeGetCurrentThread());
}

TEST_F(KeIrqlTest, Entering_another_thread_switches_the_IRQL_too) {
  Thread fiber;
  fiber.irql = APC_LEVEL;
  enter_thread(&fiber);
  EXPECT_EQ(KeGetCurrentThread(), &fiber.kthread);
  EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
  EXPECT_EQ(KeGetPcr()->Irql, APC_LEVEL);
  enter_thread(&thread_);
  EXPECT_EQ(KeGetPcr()->Irql, PASSIVE_LEVEL);
}

TEST_F(KeIrqlTest, A_spin_lock_raises_and_restores_and_excludes) {
  KSPIN_LOCK lock;
  KeInitializeSpinLock(&lock);
  int counter = 0;
  const auto run = [&] {
    testing::become_nt_thread();
    for (int i = 0; i < 5000; ++i) {
      KIRQL old;
      KeAcquireSpinLock(&lock, &old);
      ++counter;
      KeReleaseSpinLock(&lock, old);
    }
  };
  std::thread other(run);
  run();
  other.join();
  EXPECT_EQ(counter, 10'000);
  EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
  EXPECT_EQ(lock, 0U);
}

TEST_F(KeIrqlTest, Taking_a_spin_lock_twice_is_bug_check_0F_and_releasing_a_free_one_10) {
  KSPIN_LOCK lock;
  KeInitializeSpinLock(&lock);
  const KIRQL old = KeAcquireSpinLockRaiseToDpc(&lock);
  EXPECT_EQ(bug_check_of([&] { KeAcquireSpinLockAtDpcLevel(&lock); }).code, 0x0FU);
  EXPECT_FALSE(KeTryToAcquireSpinLockAtDpcLevel(&lock));
  KeReleaseSpinLock(&lock, old);
  EXPECT_EQ(bug_check_of([&] { KeReleaseSpinLock(&lock, old); }).code, 0x10U);
}

TEST_F(KeIrqlTest, The_AtDpcLevel_routines_below_DISPATCH_LEVEL_are_reported) {
  KSPIN_LOCK lock;
  KeInitializeSpinLock(&lock);
  EXPECT_TRUE(KeTryToAcquireSpinLockAtDpcLevel(&lock));
  KeReleaseSpinLockFromDpcLevel(&lock);
  EXPECT_THAT(take_rules(), ElementsAre("irql", "irql"));
}

TEST_F(KeIrqlTest, KeBugCheckEx_reaches_the_host_with_its_parameters_and_the_driver) {
  const BugCheck record = bug_check_of([] { KeBugCheckEx(0xE2, 1, 2, 3, 4); });
  EXPECT_EQ(record.code, 0xE2U);
  EXPECT_THAT(record.parameters, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(record.driver, "test");
  EXPECT_EQ(bug_check_of([] { KeBugCheck(0x1E); }).code, 0x1EU);
}

TEST_F(KeIrqlTest, Times_go_forward_and_agree_with_each_other) {
  LARGE_INTEGER time;
  KeQuerySystemTime(&time);
  const int64_t unix_seconds = (time.QuadPart - 116'444'736'000'000'000) / 10'000'000;
  EXPECT_NEAR(static_cast<double>(unix_seconds), static_cast<double>(::time(nullptr)), 2);
  LARGE_INTEGER frequency;
  const LONGLONG begin = KeQueryPerformanceCounter(&frequency).QuadPart;
  EXPECT_EQ(frequency.QuadPart, 10'000'000);
  KeStallExecutionProcessor(2000);
  EXPECT_GE(KeQueryPerformanceCounter(nullptr).QuadPart - begin, 20'000);
  EXPECT_GE(KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS), 1U);
  PROCESSOR_NUMBER number;
  const ULONG processor = KeGetCurrentProcessorNumberEx(&number);
  EXPECT_EQ(processor, number.Group * 64U + number.Number);
}

}  // namespace
}  // namespace kebound::nt
