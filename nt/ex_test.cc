// SPDX-License-Identifier: Apache-2.0
//
// Pool, fast mutexes, rundown protection.
#include <string.h>

#include <atomic>
#include <thread>

#include "nt/pool.h"
#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NtTest;
using testing::relative_ms;

constexpr ULONG kTag = 'b' | 'n' << 8 | 'd' << 16 | '1' << 24;

class ExPoolTest : public NtTest {
 protected:
  ~ExPoolTest() override { static_cast<void>(take_pool_leaks(testing::test_image())); }
};

TEST_F(ExPoolTest, Blocks_are_aligned_as_on_NT) {
  PVOID small = ExAllocatePoolWithTag(NonPagedPoolNx, 24, kTag);
  PVOID large = ExAllocatePoolWithTag(PagedPool, 5000, kTag);
  PVOID aligned = ExAllocatePoolWithTag(NonPagedPoolCacheAligned, 24, kTag);
  EXPECT_EQ(reinterpret_cast<uint64_t>(small) % 16, 0U);
  EXPECT_EQ(reinterpret_cast<uint64_t>(large) % 4096, 0U);
  EXPECT_EQ(reinterpret_cast<uint64_t>(aligned) % 64, 0U);
  memset(large, 1, 5000);
  ExFreePoolWithTag(small, kTag);
  ExFreePool(large);
  ExFreePoolWithTag(aligned, 0);
}

TEST_F(ExPoolTest, ExAllocatePool2_zeroes_and_refuses_what_makes_no_sense) {
  auto* block = static_cast<char*>(ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, kTag));
  ASSERT_NE(block, nullptr);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(block[i], 0);
  ExFreePoolWithTag(block, kTag);
  EXPECT_EQ(ExAllocatePool2(POOL_FLAG_NON_PAGED, 0, kTag), nullptr);
  EXPECT_EQ(ExAllocatePool2(POOL_FLAG_NON_PAGED, 8, 0), nullptr);
  EXPECT_EQ(ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_PAGED, 8, kTag), nullptr);
  EXPECT_EQ(ExAllocatePool2(0, 8, kTag), nullptr);
  EXPECT_EQ(bug_check_of([] { ExAllocatePool2(POOL_FLAG_RAISE_ON_FAILURE, 8, kTag); }).code, 0x1EU);
}

TEST_F(ExPoolTest, A_size_that_nobody_has_gives_NULL) {
  EXPECT_EQ(ExAllocatePoolWithTag(NonPagedPool, ~SIZE_T{0} - 4, kTag), nullptr);
}

TEST_F(ExPoolTest, Freeing_twice_or_garbage_or_with_another_tag_is_bug_check_C2) {
  PVOID block = ExAllocatePoolWithTag(NonPagedPool, 8, kTag);
  EXPECT_EQ(bug_check_of([&] { ExFreePoolWithTag(block, kTag + 1); }).parameters[0], 0x0AU);
  EXPECT_EQ(bug_check_of([&] { ExFreePool(static_cast<char*>(block) + 16); }).parameters[0], 0x46U);
  ExFreePoolWithTag(block, kTag);
  const BugCheck twice = bug_check_of([&] { ExFreePoolWithTag(block, kTag); });
  EXPECT_EQ(twice.code, 0xC2U);
  EXPECT_EQ(twice.parameters[0], 0x07U);
  EXPECT_EQ(bug_check_of([] { ExFreePool(nullptr); }).parameters[0], 0x46U);
  EXPECT_EQ(bug_check_of([] { ExFreePool(reinterpret_cast<PVOID>(0x123)); }).parameters[0], 0x46U);
}

TEST_F(ExPoolTest, A_write_behind_the_end_is_found_at_the_free) {
  auto* block = static_cast<char*>(ExAllocatePoolWithTag(NonPagedPool, 13, kTag));
  block[13] = 'x';
  const BugCheck record = bug_check_of([&] { ExFreePoolWithTag(block, kTag); });
  EXPECT_EQ(record.code, 0x19U);
  EXPECT_THAT(record.explanation, HasSubstr("bnd1"));
}

TEST_F(ExPoolTest, Paged_pool_at_DISPATCH_LEVEL_and_any_above_is_bug_check_C2) {
  set_irql(thread_, DISPATCH_LEVEL);
  EXPECT_EQ(bug_check_of([] { ExAllocatePoolWithTag(PagedPool, 8, kTag); }).parameters[0], 0x08U);
  PVOID block = ExAllocatePoolWithTag(NonPagedPoolNx, 8, kTag);
  EXPECT_NE(block, nullptr);
  set_irql(thread_, HIGH_LEVEL);
  EXPECT_EQ(bug_check_of([] { ExAllocatePoolWithTag(NonPagedPoolNx, 8, kTag); }).parameters[0],
            0x08U);
  EXPECT_EQ(bug_check_of([&] { ExFreePool(block); }).parameters[0], 0x09U);
  set_irql(thread_, PASSIVE_LEVEL);
  ExFreePool(block);
}

TEST_F(ExPoolTest, A_block_with_a_set_timer_in_it_is_not_freed) {
  auto* timer = static_cast<PKTIMER>(ExAllocatePoolWithTag(NonPagedPool, sizeof(KTIMER), kTag));
  KeInitializeTimer(timer);
  KeSetTimer(timer, relative_ms(60'000), nullptr);
  EXPECT_EQ(bug_check_of([&] { ExFreePool(timer); }).code, 0xC7U);
  KeCancelTimer(timer);
}

TEST_F(ExPoolTest, Leaks_are_listed_by_tag_once) {
  static_cast<void>(take_pool_leaks(testing::test_image()));
  PVOID blocks[] = {ExAllocatePoolWithTag(NonPagedPool, 8, kTag),
                    ExAllocatePoolWithTag(NonPagedPool, 9, kTag)};
  const auto leaks = take_pool_leaks(testing::test_image());
  ASSERT_EQ(leaks.size(), 1U);
  EXPECT_EQ(leaks[0].tag, "bnd1");
  EXPECT_EQ(leaks[0].blocks, 2U);
  EXPECT_EQ(leaks[0].bytes, 17U);
  EXPECT_THAT(take_pool_leaks(testing::test_image()), IsEmpty());
  for (PVOID block : blocks) ExFreePool(block);
}

using ExMutexTest = NtTest;

TEST_F(ExMutexTest, A_fast_mutex_raises_to_APC_LEVEL_and_excludes) {
  FAST_MUTEX mutex;
  ExInitializeFastMutex(&mutex);
  ExAcquireFastMutex(&mutex);
  EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
  std::thread([&] {
    testing::become_nt_thread();
    EXPECT_FALSE(ExTryToAcquireFastMutex(&mutex));
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
  }).join();
  ExReleaseFastMutex(&mutex);
  EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
  EXPECT_TRUE(ExTryToAcquireFastMutex(&mutex));
  EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
  ExReleaseFastMutex(&mutex);
}

TEST_F(ExMutexTest, Fast_and_guarded_mutexes_hold_under_contention) {
  FAST_MUTEX fast;
  KGUARDED_MUTEX guarded;
  ExInitializeFastMutex(&fast);
  KeInitializeGuardedMutex(&guarded);
  int counters[2] = {};
  const auto run = [&] {
    testing::become_nt_thread();
    for (int i = 0; i < 2000; ++i) {
      ExAcquireFastMutex(&fast);
      ++counters[0];
      ExReleaseFastMutex(&fast);
      KeAcquireGuardedMutex(&guarded);
      ++counters[1];
      KeReleaseGuardedMutex(&guarded);
    }
  };
  std::thread a(run);
  std::thread b(run);
  run();
  a.join();
  b.join();
  EXPECT_THAT(counters, ::testing::ElementsAre(6000, 6000));
  EXPECT_EQ(fast.Count, 1);
}

TEST_F(ExMutexTest, Acquiring_again_or_releasing_what_is_not_owned_is_bug_check_C4) {
  FAST_MUTEX mutex;
  ExInitializeFastMutex(&mutex);
  EXPECT_EQ(bug_check_of([&] { ExReleaseFastMutex(&mutex); }).code, 0xC4U);
  ExAcquireFastMutex(&mutex);
  EXPECT_EQ(bug_check_of([&] { ExAcquireFastMutex(&mutex); }).code, 0xC4U);
  ExReleaseFastMutex(&mutex);
  set_irql(thread_, DISPATCH_LEVEL);
  EXPECT_EQ(bug_check_of([&] { ExAcquireFastMutex(&mutex); }).code, 0x0AU);
}

TEST_F(ExMutexTest, The_unsafe_form_wants_APCs_disabled) {
  FAST_MUTEX mutex;
  ExInitializeFastMutex(&mutex);
  ExAcquireFastMutexUnsafe(&mutex);
  ExReleaseFastMutexUnsafe(&mutex);
  EXPECT_THAT(take_rules(), ::testing::ElementsAre("irql"));
  KeEnterCriticalRegion();
  ExAcquireFastMutexUnsafe(&mutex);
  ExReleaseFastMutexUnsafe(&mutex);
  KeLeaveCriticalRegion();
  EXPECT_THAT(take_rules(), IsEmpty());
}

TEST_F(ExMutexTest, A_rundown_waits_for_the_uses_and_refuses_new_ones) {
  EX_RUNDOWN_REF rundown;
  ExInitializeRundownProtection(&rundown);
  EXPECT_TRUE(ExAcquireRundownProtection(&rundown));
  EXPECT_TRUE(ExAcquireRundownProtection(&rundown));
  std::atomic<bool> done = false;
  std::thread waiter([&] {
    testing::become_nt_thread();
    ExWaitForRundownProtectionRelease(&rundown);
    done = true;
  });
  while (ExAcquireRundownProtection(&rundown)) ExReleaseRundownProtection(&rundown);
  ExReleaseRundownProtection(&rundown);
  EXPECT_FALSE(done);
  ExReleaseRundownProtection(&rundown);
  waiter.join();
  EXPECT_TRUE(done);
  EXPECT_FALSE(ExAcquireRundownProtection(&rundown));
  ExWaitForRundownProtectionRelease(&rundown);  // over already
  EX_RUNDOWN_REF unused;
  ExInitializeRundownProtection(&unused);
  EXPECT_EQ(bug_check_of([&] { ExReleaseRundownProtection(&unused); }).code, 0xC4U);
  ExWaitForRundownProtectionRelease(&unused);
  EXPECT_FALSE(ExAcquireRundownProtection(&unused));
}

}  // namespace
}  // namespace kebound::nt
