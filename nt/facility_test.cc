// SPDX-License-Identifier: Apache-2.0
#include "nt/facility.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::NtTest;

struct Seen {
  KTRAP_FRAME* frame = nullptr;
  ULONG64 rax = 0;
  KIRQL irql = 99;
  bool apcs_disabled = false;
  KPROCESSOR_MODE mode = KernelMode;
  HANDLE pid = nullptr;
  int calls = 0;
};
Seen g_seen;
BOUND_CALLBACK_STATUS g_answer = BoundExceptionContinueSearch;

BOUND_CALLBACK_STATUS observe() {
  g_seen.frame = KeGetCurrentThread()->TrapFrame;
  g_seen.rax = g_seen.frame->Rax;
  g_seen.irql = KeGetCurrentIrql();
  g_seen.apcs_disabled = KeAreApcsDisabled() != FALSE;
  g_seen.mode = ExGetPreviousMode();
  g_seen.pid = PsGetCurrentProcessId();
  ++g_seen.calls;
  return g_answer;
}
BOUND_CALLBACK_STATUS edit_and_continue() {
  KeGetCurrentThread()->TrapFrame->Rax = 111;
  return BoundExceptionContinueSearch;
}
BOUND_CALLBACK_STATUS edit_and_handle() {
  KeGetCurrentThread()->TrapFrame->Rax = 222;
  return BoundExceptionHandled;
}
BOUND_CALLBACK_STATUS edit_and_err() {
  KeGetCurrentThread()->TrapFrame->Rax = 333;
  return BoundExceptionError;
}
BOUND_CALLBACK_STATUS answer_three() { return BoundExceptionMaximum; }
BOUND_CALLBACK_STATUS leave_irql_raised() {
  KIRQL old;
  KeRaiseIrql(DISPATCH_LEVEL, &old);
  return BoundExceptionContinueSearch;
}
BOUND_CALLBACK_STATUS leave_in_critical_region() {
  KeEnterCriticalRegion();
  return BoundExceptionContinueSearch;
}
BOUND_CALLBACK_STATUS raise_again() {
  KTRAP_FRAME frame{};
  static_cast<void>(Facility::dispatch(*current_thread(), BoundEvent{}, frame, nullptr));
  return BoundExceptionHandled;
}

class FacilityTest : public NtTest {
 protected:
  FacilityTest() {
    Facility::configure(Profile::Default);
    g_seen = {};
    g_answer = BoundExceptionContinueSearch;
    frame_.Rax = 7;
    frame_.Rip = 0x8049000;
  }
  ~FacilityTest() override {
    for (PVOID handle : handles_) KeDeregisterBoundCallback(handle);
    thread_.client_pid = 0;
  }
  void add(PBOUND_CALLBACK routine) {
    handles_.push_back(KeRegisterBoundCallback(routine));
    ASSERT_NE(handles_.back(), nullptr);
  }
  DispatchOutcome dispatch() { return Facility::dispatch(thread_, event_, frame_, &log_); }

  BoundEvent event_;
  KTRAP_FRAME frame_{};
  AnswerLog log_;
  std::vector<PVOID> handles_;
};

TEST_F(FacilityTest, A_callback_sees_the_frame_at_passive_level_in_a_critical_region_of_user_mode) {
  add(observe);
  thread_.client_pid = 4711;
  EXPECT_EQ(dispatch().verdict, Verdict::NotHandled);
  EXPECT_EQ(g_seen.frame, &frame_);
  EXPECT_EQ(g_seen.rax, 7U);
  EXPECT_EQ(g_seen.irql, PASSIVE_LEVEL);
  EXPECT_TRUE(g_seen.apcs_disabled);
  EXPECT_EQ(g_seen.mode, UserMode);
  EXPECT_EQ(reinterpret_cast<uint64_t>(g_seen.pid), 4711U);
}

TEST_F(FacilityTest, The_thread_is_as_before_after_a_dispatch) {
  add(observe);
  static_cast<void>(dispatch());
  EXPECT_EQ(thread_.kthread.TrapFrame, nullptr);
  EXPECT_EQ(thread_.event, nullptr);
  EXPECT_EQ(thread_.inside.load(), nullptr);
  EXPECT_FALSE(KeAreApcsDisabled());
  EXPECT_EQ(ExGetPreviousMode(), KernelMode);
  EXPECT_THAT(take_rules(), IsEmpty());
}

TEST_F(FacilityTest, Edits_count_with_Handled) {
  add(edit_and_handle);
  EXPECT_EQ(dispatch().verdict, Verdict::Handled);
  EXPECT_EQ(frame_.Rax, 222U);
  ASSERT_EQ(log_.count, 1U);
  EXPECT_TRUE(log_.entries[0].edited);
  EXPECT_EQ(log_.entries[0].image, &testing::test_image());
}

TEST_F(FacilityTest, Edits_with_ContinueSearch_are_undone_for_the_next_callback_and_reported_once) {
  add(observe);
  add(edit_and_continue);  // newest: asked first
  EXPECT_EQ(dispatch().verdict, Verdict::NotHandled);
  EXPECT_EQ(g_seen.rax, 7U);
  EXPECT_EQ(frame_.Rax, 7U);
  static_cast<void>(dispatch());
  EXPECT_THAT(take_rules(), ElementsAre("edit-without-handled"));
  ASSERT_EQ(log_.count, 2U);
  EXPECT_TRUE(log_.entries[0].edited);
  EXPECT_FALSE(log_.entries[1].edited);
}

TEST_F(FacilityTest, Edits_with_ContinueSearch_leak_in_the_windows_profile_and_are_reported) {
  Facility::configure(Profile::Windows);
  add(edit_and_continue);
  static_cast<void>(dispatch());
  EXPECT_EQ(frame_.Rax, 111U);
  EXPECT_THAT(take_rules(), ElementsAre("edit-without-handled"));
}

TEST_F(FacilityTest, Edits_with_Error_count_for_nothing) {
  add(edit_and_err);
  EXPECT_EQ(dispatch().verdict, Verdict::Error);
  EXPECT_EQ(frame_.Rax, 7U);
}

TEST_F(FacilityTest, An_answer_of_three_is_bug_check_7F_parameter_5_naming_driver_and_callback) {
  add(answer_three);
  const BugCheck record = bug_check_of([this] { static_cast<void>(dispatch()); });
  EXPECT_EQ(record.code, 0x7FU);
  EXPECT_EQ(record.parameters[0], 5U);
  EXPECT_EQ(record.parameters[1], 3U);
  EXPECT_EQ(record.driver, "test");
  EXPECT_THAT(record.callback, HasSubstr("test"));
  EXPECT_THAT(record.explanation, HasSubstr("returned 3"));
}

TEST_F(FacilityTest, A_bound_exception_inside_a_callback_is_bug_check_7F_parameter_5) {
  // The dispatch below is noexcept in core, so what unwinds through it would terminate: tell it in
  // a child.
  add(raise_again);
  class Exiting final : public Host {
    void debug_output(const DebugOutput&) override {}
    void violation(const Violation&) override {}
    [[noreturn]] void bug_check(const BugCheck& record) override {
      _exit(record.code == 0x7F && record.parameters[0] == 5 && record.driver == "test" ? 42 : 1);
    }
  };
  EXPECT_EXIT(
      {
        Exiting exiting;
        set_host(&exiting);
        static_cast<void>(dispatch());
      },
      ::testing::ExitedWithCode(42), "");
}

TEST_F(FacilityTest, A_callback_that_returns_at_another_IRQL_is_reported_and_the_IRQL_restored) {
  add(observe);
  add(leave_irql_raised);
  static_cast<void>(dispatch());
  EXPECT_THAT(take_rules(), ElementsAre("irql"));
  EXPECT_EQ(g_seen.irql, PASSIVE_LEVEL);
  EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

TEST_F(FacilityTest, A_callback_that_stays_in_a_critical_region_is_reported_and_taken_out) {
  add(leave_in_critical_region);
  static_cast<void>(dispatch());
  EXPECT_THAT(take_rules(), ElementsAre("critical-region"));
  EXPECT_FALSE(KeAreApcsDisabled());
}

TEST_F(FacilityTest, Descriptions_name_the_symbol_or_the_offset_or_nothing) {
  Image image;
  image.name = "other";
  image.base = 0x1000;
  image.end = 0x3000;
  image.executable[image.executable_count++] = {0x1000, 0x2000};
  image.symbols = {{0x1100, 0x20, "on_bound"}, {0x1800, 0, "tail"}};
  Facility::add_image(&image);
  EXPECT_EQ(Facility::describe(0x1100), "other!on_bound");
  EXPECT_EQ(Facility::describe(0x111f), "other!on_bound+0x1f");
  EXPECT_EQ(Facility::describe(0x1120), "other+0x120");
  EXPECT_EQ(Facility::describe(0x1050), "other+0x50");
  EXPECT_EQ(Facility::describe(0x1900), "other!tail+0x100");
  EXPECT_EQ(Facility::describe(0x2000), "0x2000");
  Facility::remove_image(&image);
  EXPECT_EQ(Facility::image_of(0x1100), nullptr);
}

TEST_F(FacilityTest, A_registration_left_behind_is_reported_and_removed_in_the_default_profile) {
  add(observe);
  Facility::remove_image(&testing::test_image());
  const auto violations = host_.take_violations();
  Facility::add_image(&testing::test_image());
  ASSERT_EQ(violations.size(), 1U);
  EXPECT_EQ(violations[0].rule, "registration-left-behind");
  EXPECT_EQ(violations[0].driver, "test");
  EXPECT_EQ(dispatch().asked, 0U);
}

TEST_F(FacilityTest, A_registration_left_behind_is_bug_check_CE_in_the_windows_profile) {
  Facility::configure(Profile::Windows);
  add(observe);
  const BugCheck record = bug_check_of([] { Facility::remove_image(&testing::test_image()); });
  EXPECT_EQ(record.code, 0xCEU);
  EXPECT_EQ(record.driver, "test");
}

// A callback that deregistered itself is in no registry any more, and still runs in its image.
std::atomic<PVOID> g_lone;
std::atomic<bool> g_deregistered;
std::atomic<bool> g_may_return;
std::atomic<bool> g_returning;
BOUND_CALLBACK_STATUS deregister_and_stay() {
  KeDeregisterBoundCallback(g_lone);
  g_deregistered = true;
  while (!g_may_return) std::this_thread::yield();
  g_returning = true;
  return BoundExceptionHandled;
}

TEST_F(FacilityTest, An_image_stays_while_a_callback_that_deregistered_itself_runs_in_it) {
  g_lone = KeRegisterBoundCallback(deregister_and_stay);
  std::thread faulting([] {
    Thread& thread = testing::become_nt_thread();
    KTRAP_FRAME frame{};
    static_cast<void>(Facility::dispatch(thread, BoundEvent{}, frame, nullptr));
  });
  while (!g_deregistered) std::this_thread::yield();
  std::thread release([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    g_may_return = true;
  });
  Facility::remove_image(&testing::test_image());
  EXPECT_TRUE(g_returning) << "the image went while the callback was inside";
  Facility::add_image(&testing::test_image());
  release.join();
  faulting.join();
  EXPECT_THAT(take_rules(), ElementsAre("self-deregistration"));
}

}  // namespace
}  // namespace kebound::nt
