// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>

#include <atomic>
#include <thread>

#include "include/nt/kebound_nt/loader_entry.h"
#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NtTest;

class KeBoundTest : public NtTest {
 protected:
  KeBoundTest() { Facility::configure(Profile::Default); }
  ~KeBoundTest() override { testing::test_image().loader_entry = nullptr; }
};

BOUND_CALLBACK_STATUS nothing() { return BoundExceptionContinueSearch; }

TEST_F(KeBoundTest, Registering_NULL_gives_NULL) {
  EXPECT_EQ(KeRegisterBoundCallback(nullptr), nullptr);
}

TEST_F(KeBoundTest, Registering_what_is_no_code_of_a_loaded_image_gives_NULL) {
  static int data = 0;
  EXPECT_EQ(KeRegisterBoundCallback(reinterpret_cast<PBOUND_CALLBACK>(&data)), nullptr);
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(KeRegisterBoundCallback(reinterpret_cast<PBOUND_CALLBACK>(page)), nullptr);
  munmap(page, 4096);
  EXPECT_EQ(KeRegisterBoundCallback(reinterpret_cast<PBOUND_CALLBACK>(0x10)), nullptr);
}

TEST_F(KeBoundTest, The_default_profile_has_64_slots_and_the_65th_registration_gets_NULL) {
  std::vector<PVOID> handles;
  for (int i = 0; i < 64; ++i) handles.push_back(KeRegisterBoundCallback(nothing));
  EXPECT_THAT(handles, ::testing::Each(::testing::NotNull()));
  EXPECT_EQ(KeRegisterBoundCallback(nothing), nullptr);
  for (PVOID handle : handles) EXPECT_EQ(KeDeregisterBoundCallback(handle), STATUS_SUCCESS);
}

TEST_F(KeBoundTest, The_windows_profile_has_one_slot_and_wants_the_integrity_flag) {
  Facility::configure(Profile::Windows);
  KEBOUND_LOADER_ENTRY entry{};
  testing::test_image().loader_entry = &entry;
  EXPECT_EQ(KeRegisterBoundCallback(nothing), nullptr);
  // As drivers set it themselves: 32 bits at offset 0x68 of what DriverSection points to.
  *reinterpret_cast<ULONG*>(reinterpret_cast<char*>(&entry) + 0x68) |= 0x20;
  PVOID handle = KeRegisterBoundCallback(nothing);
  EXPECT_NE(handle, nullptr);
  EXPECT_EQ(KeRegisterBoundCallback(nothing), nullptr);
  EXPECT_EQ(KeDeregisterBoundCallback(handle), STATUS_SUCCESS);
}

TEST_F(KeBoundTest, A_handle_that_is_NULL_garbage_or_used_twice_is_invalid) {
  EXPECT_EQ(KeDeregisterBoundCallback(nullptr), STATUS_INVALID_HANDLE);
  EXPECT_EQ(KeDeregisterBoundCallback(reinterpret_cast<PVOID>(0xdeadbeefdeadbeef)),
            STATUS_INVALID_HANDLE);
  PVOID handle = KeRegisterBoundCallback(nothing);
  EXPECT_EQ(KeDeregisterBoundCallback(handle), STATUS_SUCCESS);
  EXPECT_EQ(KeDeregisterBoundCallback(handle), STATUS_INVALID_HANDLE);
  EXPECT_NE(handle, reinterpret_cast<PVOID>(&nothing));
}

TEST_F(KeBoundTest, The_call_site_is_recorded) {
  PVOID handle = KeRegisterBoundCallback(nothing);
  Registration registration;
  ASSERT_TRUE(Facility::registry().find(reinterpret_cast<Handle>(handle), registration));
  EXPECT_EQ(Facility::image_of(reinterpret_cast<uint64_t>(registration.call_site)),
            &testing::test_image());
  KeDeregisterBoundCallback(handle);
}

TEST_F(KeBoundTest, Above_APC_LEVEL_both_are_refused_and_reported) {
  PVOID handle = KeRegisterBoundCallback(nothing);
  KIRQL old;
  KeRaiseIrql(APC_LEVEL, &old);
  PVOID at_apc = KeRegisterBoundCallback(nothing);
  EXPECT_NE(at_apc, nullptr);
  EXPECT_EQ(KeDeregisterBoundCallback(at_apc), STATUS_SUCCESS);
  EXPECT_THAT(take_rules(), IsEmpty());
  KeRaiseIrql(DISPATCH_LEVEL, &old);
  EXPECT_EQ(KeRegisterBoundCallback(nothing), nullptr);
  EXPECT_EQ(KeDeregisterBoundCallback(handle), STATUS_UNSUCCESSFUL);
  KeLowerIrql(PASSIVE_LEVEL);
  EXPECT_THAT(take_rules(), ElementsAre("irql", "irql"));
  EXPECT_EQ(KeDeregisterBoundCallback(handle), STATUS_SUCCESS);
}

PVOID g_own;
NTSTATUS g_own_status;
BOUND_CALLBACK_STATUS deregister_self() {
  g_own_status = KeDeregisterBoundCallback(g_own);
  return BoundExceptionHandled;
}

TEST_F(KeBoundTest, A_callback_that_deregisters_itself_succeeds_and_is_reported) {
  g_own = KeRegisterBoundCallback(deregister_self);
  KTRAP_FRAME frame{};
  EXPECT_EQ(Facility::dispatch(thread_, BoundEvent{}, frame, nullptr).verdict, Verdict::Handled);
  EXPECT_EQ(g_own_status, STATUS_SUCCESS);
  const auto violations = host_.take_violations();
  ASSERT_EQ(violations.size(), 1U);
  EXPECT_EQ(violations[0].rule, "self-deregistration");
  EXPECT_EQ(violations[0].driver, "test");
  EXPECT_EQ(Facility::dispatch(thread_, BoundEvent{}, frame, nullptr).asked, 0U);
}

// Two callbacks that deregister each other while both run; each runs on one of two threads.
PVOID g_mutual[2];
std::atomic<int> g_arrived;
std::atomic<int> g_succeeded;
thread_local int t_role;
void meet_and_remove(int role) {
  if (t_role != role) return;
  ++g_arrived;
  while (g_arrived < 2) std::this_thread::yield();
  if (KeDeregisterBoundCallback(g_mutual[1 - role]) == STATUS_SUCCESS) ++g_succeeded;
}
BOUND_CALLBACK_STATUS first() {
  meet_and_remove(0);
  return BoundExceptionContinueSearch;
}
BOUND_CALLBACK_STATUS second() {
  meet_and_remove(1);
  return BoundExceptionContinueSearch;
}

TEST_F(KeBoundTest, Mutual_deregistration_ends_and_the_report_names_both) {
  testing::test_image().symbols = {{reinterpret_cast<uint64_t>(&first), 0, "first"},
                                   {reinterpret_cast<uint64_t>(&second), 0, "second"}};
  std::sort(testing::test_image().symbols.begin(), testing::test_image().symbols.end(),
            [](const auto& a, const auto& b) { return a.address < b.address; });
  g_mutual[0] = KeRegisterBoundCallback(first);
  g_mutual[1] = KeRegisterBoundCallback(second);
  const auto run = [](int role) {
    Thread& thread = testing::become_nt_thread();
    t_role = role;
    KTRAP_FRAME frame{};
    static_cast<void>(Facility::dispatch(thread, BoundEvent{}, frame, nullptr));
  };
  std::thread other(run, 0);
  run(1);
  other.join();
  testing::test_image().symbols.clear();
  EXPECT_EQ(g_succeeded, 2);
  const auto violations = host_.take_violations();
  ASSERT_EQ(violations.size(), 1U);
  EXPECT_EQ(violations[0].rule, "deregistration-deadlock");
  EXPECT_THAT(violations[0].message, HasSubstr("test!first"));
  EXPECT_THAT(violations[0].message, HasSubstr("test!second"));
}

}  // namespace
}  // namespace kebound::nt
