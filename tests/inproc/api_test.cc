// SPDX-License-Identifier: Apache-2.0
//
// libkebound from outside: what a program sees. Every line of CONTRACT that a process can see of
// itself.
#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <vector>

#include "include/kebound/ke.h"
#include "include/kebound/kebound.hpp"
#include "tests/inproc/raise.h"

namespace kebound {
namespace {

using testing::Bounds;
using testing::raise_array_trap;
using testing::raise_bound;

constexpr Bounds kBounds{-4, 9};

Answer clamp(const Event& event, EventRegisters& registers) {
  registers.gpr[event.index_register] =
      static_cast<uint32_t>(event.index < event.lower ? event.lower : event.upper);
  return Answer::Handled;
}

// AddressSanitizer writes a warning when a process ends on a stack that it does not know.
#ifdef __SANITIZE_ADDRESS__
#define ONLY(pattern) pattern
#else
#define ONLY(pattern) "^" pattern "$"
#endif

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(ApiTest, A_callback_sees_the_event_and_its_edit_is_what_the_thread_resumes_with) {
  Event seen{};
  EventRegisters at_fault{};
  const Registration registration([&](const Event& event, EventRegisters& registers) {
    seen = event;
    at_fault = registers;
    return clamp(event, registers);
  });
  ASSERT_TRUE(registration);
  EXPECT_EQ(raise_bound(4711, kBounds), 9);
  EXPECT_EQ(raise_bound(-5, kBounds), -4);
  EXPECT_EQ(seen.size, sizeof seen);
  EXPECT_EQ(seen.source, KEBOUND_SOURCE_X86_BOUND);
  EXPECT_EQ(seen.confidence, KEBOUND_CONFIDENCE_CERTAIN);
  EXPECT_EQ(seen.instruction_length, testing::kBoundLength);
  EXPECT_EQ(seen.index_register, KEBOUND_RAX);
  EXPECT_EQ(seen.index_width, 32);
  EXPECT_EQ(seen.ip, testing::bound_address());
  EXPECT_EQ(seen.index, -5);
  EXPECT_EQ(seen.lower, -4);
  EXPECT_EQ(seen.upper, 9);
  EXPECT_EQ(seen.bounds_address, at_fault.gpr[KEBOUND_RDX]);
  EXPECT_EQ(at_fault.ip, testing::bound_address());
  EXPECT_EQ(at_fault.cs, 0x23);
}

TEST_F(ApiTest, An_index_inside_its_bounds_is_nobodys_business) {
  int calls = 0;
  const Registration registration([&](const Event&, EventRegisters&) {
    ++calls;
    return Answer::Error;
  });
  EXPECT_EQ(raise_bound(9, kBounds), 9);
  EXPECT_EQ(raise_bound(-4, kBounds), -4);
  EXPECT_EQ(calls, 0);
}

TEST_F(ApiTest, A_callback_may_step_over_the_instruction) {
  const Registration registration([](const Event& event, EventRegisters& registers) {
    registers.ip += event.instruction_length;
    return Answer::Handled;
  });
  EXPECT_EQ(raise_bound(4711, kBounds), 4711);
}

TEST_F(ApiTest, Callbacks_are_asked_newest_first_until_one_handles_it) {
  std::vector<int> asked;
  const Registration first([&](const Event& e, EventRegisters& r) {
    asked.push_back(1);
    return clamp(e, r);
  });
  const Registration second([&](const Event& e, EventRegisters& r) {
    asked.push_back(2);
    return clamp(e, r);
  });
  const Registration third([&](const Event&, EventRegisters&) {
    asked.push_back(3);
    return Answer::ContinueSearch;
  });
  EXPECT_EQ(raise_bound(10, kBounds), 9);
  EXPECT_EQ(asked, (std::vector<int>{3, 2}));
}

TEST_F(ApiTest, Edits_before_ContinueSearch_are_undone) {
  int64_t index_seen = 0;
  const Registration first([&](const Event& e, EventRegisters& r) {
    index_seen = static_cast<int32_t>(r.gpr[KEBOUND_RAX]);
    return clamp(e, r);
  });
  const Registration second([&](const Event&, EventRegisters& r) {
    r.gpr[KEBOUND_RAX] = 3;
    r.ip = 0;
    return Answer::ContinueSearch;
  });
  EXPECT_EQ(raise_bound(10, kBounds), 9);
  EXPECT_EQ(index_seen, 10);
}

kebound_answer pass(const kebound_event*, kebound_registers*, void* context) {
  ++*static_cast<int*>(context);
  return KEBOUND_CONTINUE_SEARCH;
}

TEST_F(ApiTest, The_same_callback_registered_twice_is_asked_twice) {
  const Registration last(clamp);
  int calls = 0;
  const kebound_handle one = kebound_register(pass, &calls);
  const kebound_handle two = kebound_register(pass, &calls);
  EXPECT_NE(one, two);
  EXPECT_EQ(raise_bound(10, kBounds), 9);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(kebound_deregister(one), KEBOUND_OK);
  EXPECT_EQ(raise_bound(10, kBounds), 9);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(kebound_deregister(two), KEBOUND_OK);
}

TEST_F(ApiTest, No_handle_is_valid_twice_and_garbage_never) {
  int calls = 0;
  const kebound_handle handle = kebound_register(pass, &calls);
  ASSERT_NE(handle, 0u);
  EXPECT_EQ(handle, static_cast<uintptr_t>(handle));  // fits a pointer
  EXPECT_EQ(kebound_deregister(handle), KEBOUND_OK);
  EXPECT_EQ(kebound_deregister(handle), KEBOUND_INVALID_HANDLE);
  const kebound_handle next = kebound_register(pass, &calls);
  EXPECT_NE(next, handle);
  for (const kebound_handle garbage :
       {uint64_t{0}, uint64_t{1}, handle, next ^ 1, next + 64, ~uint64_t{0}}) {
    EXPECT_EQ(kebound_deregister(garbage), KEBOUND_INVALID_HANDLE);
  }
  EXPECT_EQ(kebound_deregister(next), KEBOUND_OK);
}

TEST_F(ApiTest, What_is_no_code_is_not_registered) {
  static int data;
  EXPECT_EQ(kebound_register(nullptr, nullptr), 0u);
  EXPECT_EQ(kebound_register(reinterpret_cast<kebound_callback>(&data), nullptr), 0u);
  EXPECT_EQ(kebound_register(reinterpret_cast<kebound_callback>(uintptr_t{16}), nullptr), 0u);
  EXPECT_EQ(KeRegisterBoundCallback(nullptr), nullptr);
}

TEST_F(ApiTest, There_are_64_registrations_and_then_none) {
  int calls = 0;
  std::vector<kebound_handle> handles;
  for (int i = 0; i < 64; ++i) handles.push_back(kebound_register(pass, &calls));
  EXPECT_NE(handles.back(), 0u);
  EXPECT_EQ(kebound_register(pass, &calls), 0u);
  EXPECT_EQ(kebound_deregister(handles[0]), KEBOUND_OK);
  handles[0] = kebound_register(pass, &calls);
  EXPECT_NE(handles[0], 0u);
  for (const kebound_handle handle : handles) EXPECT_EQ(kebound_deregister(handle), KEBOUND_OK);
}

TEST_F(ApiTest, Options_are_checked_and_the_first_ones_stay) {
  kebound_options options = KEBOUND_OPTIONS_INIT;
  options.size = 3;
  EXPECT_EQ(kebound_init(&options), KEBOUND_INVALID_ARGUMENT);
  options.size = sizeof options;
  options.profile = 2;
  EXPECT_EQ(kebound_init(&options), KEBOUND_INVALID_ARGUMENT);
  static_cast<void>(kebound_init(nullptr));
  EXPECT_EQ(kebound_init(nullptr), KEBOUND_ALREADY);
}

TEST_F(ApiTest, Errno_and_floating_point_state_survive_a_callback) {
  volatile double divisor = 3;
  const Registration registration([&](const Event& e, EventRegisters& r) {
    errno = 99;
    divisor = divisor / 7 * 11;  // uses the registers that the thread was using
    return clamp(e, r);
  });
  errno = 5;
  double value = divisor * 2;
  EXPECT_EQ(raise_bound(10, kBounds), 9);
  EXPECT_EQ(value, 6);
  EXPECT_EQ(errno, 5);
}

TEST_F(ApiTest, A_clang_array_trap_is_an_event_without_an_index) {
  Event seen{};
  const Registration registration([&](const Event& event, EventRegisters& registers) {
    seen = event;
    registers.ip += testing::kArrayTrapToSafety;
    return Answer::Handled;
  });
  raise_array_trap();
  EXPECT_EQ(seen.source, KEBOUND_SOURCE_CLANG_TRAP);
  EXPECT_EQ(seen.confidence, KEBOUND_CONFIDENCE_UNKNOWN);
  EXPECT_EQ(seen.ip, testing::array_trap_address());
  EXPECT_EQ(seen.instruction_length, sizeof(void*) == 8 ? 5 : 4);
}

// --- NT's face ---

BOUND_CALLBACK_STATUS NTAPI nt_clamp() {
  KTRAP_FRAME* const frame =
      *reinterpret_cast<KTRAP_FRAME**>(reinterpret_cast<char*>(KeGetCurrentThread()) + 0x90);
  if (frame->Rip != testing::bound_address() || frame->SegCs != 0x23) return BoundExceptionError;
  frame->Rax = 8;
  return BoundExceptionHandled;
}

BOUND_CALLBACK_STATUS NTAPI nt_pass_after_edit() {
  KeGetCurrentThread()->TrapFrame->Rax = 2;
  return BoundExceptionContinueSearch;
}

TEST_F(ApiTest, NT_routines_find_the_frame_where_NT_has_it) {
  PVOID const clamp_handle = KeRegisterBoundCallback(nt_clamp);
  PVOID const pass_handle = KeRegisterBoundCallback(nt_pass_after_edit);
  ASSERT_NE(clamp_handle, nullptr);
  EXPECT_EQ(raise_bound(10, kBounds), 8);
  EXPECT_EQ(KeDeregisterBoundCallback(pass_handle), STATUS_SUCCESS);
  EXPECT_EQ(KeDeregisterBoundCallback(clamp_handle), STATUS_SUCCESS);
  EXPECT_EQ(KeDeregisterBoundCallback(clamp_handle), STATUS_INVALID_HANDLE);
  EXPECT_EQ(KeDeregisterBoundCallback(nullptr), STATUS_INVALID_HANDLE);
}

// --- guards ---

TEST_F(ApiTest, A_guard_ends_the_region_and_says_why) {
  const auto result = guarded([] { return raise_bound(10, kBounds); });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().index, 10);
  EXPECT_EQ(result.error().ip, testing::bound_address());
  EXPECT_EQ(guarded([] { return raise_bound(5, kBounds); }).value(), 5);
}

TEST_F(ApiTest, Callbacks_come_before_guards_and_guards_nest) {
  {
    const Registration registration(clamp);
    EXPECT_EQ(guarded([] { return raise_bound(10, kBounds); }).value(), 9);
  }
  const auto outer = guarded([] {
    const auto inner = guarded([] { raise_bound(10, kBounds); });
    EXPECT_FALSE(inner);
    return raise_bound(11, kBounds);
  });
  ASSERT_FALSE(outer);
  EXPECT_EQ(outer.error().index, 11);
}

TEST_F(ApiTest, A_guarded_function_may_throw) {
  EXPECT_THROW(static_cast<void>(guarded([] { throw 1; })), int);
  EXPECT_FALSE(
      guarded([] { raise_bound(10, kBounds); }));  // the guard of the first is not found here
}

TEST_F(ApiTest, A_thousand_guarded_failures_leave_nothing_behind) {
  for (int i = 0; i < 1000; ++i) ASSERT_FALSE(guarded([] { raise_bound(10, kBounds); }));
  const Registration registration(clamp);
  EXPECT_EQ(raise_bound(10, kBounds), 9);
}

// --- ends ---

void say_handler_ran(int) {
  const char text[] = "HANDLER RAN\n";
  static_cast<void>(!write(2, text, sizeof text - 1));
}

void handle_everything() {
  for (const int number : {SIGSEGV, SIGILL, SIGABRT, SIGTERM}) signal(number, say_handler_ran);
}

TEST_F(ApiTest, Error_kills_the_process_and_no_handler_runs) {
  EXPECT_EXIT(
      {
        handle_everything();
        const Registration registration(
            [](const Event&, EventRegisters&) { return Answer::Error; });
        raise_bound(10, kBounds);
      },
      ::testing::KilledBySignal(SIGKILL), ONLY(""));
}

TEST_F(ApiTest, Another_answer_is_a_bug_check_that_cannot_be_caught) {
  EXPECT_EXIT(
      {
        handle_everything();
        const Registration registration(
            [](const Event&, EventRegisters&) { return static_cast<Answer>(3); });
        raise_bound(10, kBounds);
      },
      ::testing::KilledBySignal(SIGABRT),
      ONLY("kebound: bug check 0x7f \\(0x5, 0x3, [^\n]*callback [^\n]*\n"));
}

TEST_F(ApiTest, A_bound_exception_in_a_callback_is_a_bug_check) {
  EXPECT_EXIT(
      {
        const Registration registration([](const Event&, EventRegisters&) {
          raise_bound(10, kBounds);
          return Answer::Handled;
        });
        raise_bound(10, kBounds);
      },
      ::testing::KilledBySignal(SIGABRT), "bug check 0x7f \\(0x5, 0x0, .*inside a callback");
}

void livelock() {
  kebound_options options = KEBOUND_OPTIONS_INIT;
  options.livelock_limit = 50;
  if (kebound_init(&options) != KEBOUND_OK) _exit(9);
  static int calls;
  const Registration registration([](const Event&, EventRegisters&) {
    if (++calls > 50) _exit(8);
    return Answer::Handled;
  });
  raise_bound(10, kBounds);
}

TEST_F(ApiTest, Handled_over_and_over_without_an_edit_ends_as_a_livelock) {
  EXPECT_EXIT(livelock(), ::testing::KilledBySignal(SIGKILL), "livelock");
}

void repair_a_loop() {
  kebound_options options = KEBOUND_OPTIONS_INIT;
  options.livelock_limit = 50;
  if (kebound_init(&options) != KEBOUND_OK) _exit(9);
  const Registration registration(clamp);
  for (int i = 0; i < 500; ++i) {
    if (raise_bound(10, kBounds) != 9) _exit(8);
  }
  _exit(0);
}

TEST_F(ApiTest, A_loop_that_is_repaired_each_time_is_no_livelock) {
  EXPECT_EXIT(repair_a_loop(), ::testing::ExitedWithCode(0), "");
}

void leak_an_edit() {
  kebound_options options = KEBOUND_OPTIONS_INIT;
  options.profile = KEBOUND_PROFILE_WINDOWS;
  if (kebound_init(&options) != KEBOUND_OK) _exit(9);
  const Registration registration([](const Event&, EventRegisters& r) {
    r.gpr[KEBOUND_RAX] = 7;
    return Answer::ContinueSearch;
  });
  if (Registration(clamp)) _exit(8);
  // Its own handler, installed before, finds the edit.
  raise_bound(10, kBounds);
  _exit(6);
}

void expect_seven(int, siginfo_t*, void* context) { _exit(testing::eax_of(context) == 7 ? 0 : 5); }

TEST_F(ApiTest, The_windows_profile_has_one_slot_and_lets_edits_leak) {
  EXPECT_EXIT(
      {
        struct sigaction action {};
        action.sa_sigaction = expect_seven;
        action.sa_flags = SA_SIGINFO;
        sigaction(SIGSEGV, &action, nullptr);
        leak_an_edit();
      },
      ::testing::ExitedWithCode(0), "edit-without-handled");
}

}  // namespace
}  // namespace kebound
