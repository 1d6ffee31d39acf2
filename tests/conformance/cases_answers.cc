// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Dispatch: the answers that end more than a search, what edits count for, and what is
// never dispatched.
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

// --- 2, Error ---

BOUND_CALLBACK_STATUS NTAPI error() { return BoundExceptionError; }

CASE("Dispatch-error-terminates", "Dispatch 2",
     "After Error the process is terminated at once and none of its own handlers run",
     kPlain.kills()) {
  PVOID const handle = KeRegisterBoundCallback(error);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0, {.own_handler = true}).end == Raised::End::Terminated);
  EXPECT(host.raise(0, {.own_handler = false}).end == Raised::End::Terminated);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Dispatch-error-ends-the-search", "Dispatch 2", "After Error nobody else is asked",
     kPlain.kills()) {
  PVOID const clamp = KeRegisterBoundCallback(clamp_to_upper);
  PVOID const handle = KeRegisterBoundCallback(error);
  REQUIRE(handle != nullptr && clamp != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Terminated);
  EXPECT(clamp_calls.get() == 0);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
  EXPECT(KeDeregisterBoundCallback(clamp) == STATUS_SUCCESS);
}

BOUND_CALLBACK_STATUS NTAPI error_or_block() {
  if (index_now() == 200) return BoundExceptionError;
  return block();
}

CASE("Dispatch-error-while-another-thread-is-inside", "Dispatch 2",
     "Error ends the process although another of its threads is inside a callback",
     kPlain.kills()) {
  PVOID const handle = KeRegisterBoundCallback(error_or_block);
  REQUIRE(handle != nullptr);
  host.start(0, {.index = 100});
  EXPECT(eventually([] { return waiting.get() == 1; }));
  EXPECT(host.raise(1, {.index = 200}).end == Raised::End::Terminated);
  released().set();
  EXPECT(host.wait(0).end == Raised::End::Terminated);
  EXPECT(KeDeregisterBoundCallback(handle) ==
         STATUS_SUCCESS);  // the callback of a dead thread does not hold it up
}

// --- 3 and more ---

BOUND_CALLBACK_STATUS NTAPI answer_three() { return BoundExceptionMaximum; }
BOUND_CALLBACK_STATUS NTAPI answer_four() { return __builtin_bit_cast(BOUND_CALLBACK_STATUS, 4); }
BOUND_CALLBACK_STATUS NTAPI answer_minus_one() {
  return __builtin_bit_cast(BOUND_CALLBACK_STATUS, -1);
}

CASE("Dispatch-three-is-a-bug-check", "Dispatch 3",
     "The answer 3 stops the host with 0x7F/5, naming the callback",
     kPlain.stops(0x7F, 5, "answer_three")) {
  REQUIRE(KeRegisterBoundCallback(answer_three) != nullptr);
  host.raise(0);
  EXPECT(!"the host went on");
}

CASE("Dispatch-four-is-a-bug-check", "Dispatch 3", "The answer 4 stops the host with 0x7F/5",
     kPlain.stops(0x7F, 5, "answer_four")) {
  REQUIRE(KeRegisterBoundCallback(answer_four) != nullptr);
  host.raise(0);
  EXPECT(!"the host went on");
}

CASE("Dispatch-huge-answer-is-a-bug-check", "Dispatch 3",
     "The answer 0xFFFFFFFF stops the host with 0x7F/5",
     kPlain.in_windows_profile().marked().stops(0x7F, 5, "answer_minus_one")) {
  REQUIRE(KeRegisterBoundCallback(answer_minus_one) != nullptr);
  host.raise(0);
  EXPECT(!"the host went on");
}

// --- edits and the search ---

BOUND_CALLBACK_STATUS NTAPI edit_and_pass() {
  ++pass_calls;
  frame().Rcx = 0xbad;
  frame().Rax = 5;
  return BoundExceptionContinueSearch;
}

int32_t index_seen;
uint32_t ecx_seen;
BOUND_CALLBACK_STATUS NTAPI note_and_clamp() {
  index_seen = index_now();
  ecx_seen = static_cast<uint32_t>(frame().Rcx);
  set_index(9);
  return BoundExceptionHandled;
}

CASE("Dispatch-edit-undone-for-the-next", "Dispatch edits",
     "After an edit and ContinueSearch the next callback sees the original frame; it is reported",
     kPlain.reports("edit-without-handled", "edit_and_pass")) {
  PVOID const next = KeRegisterBoundCallback(note_and_clamp);
  PVOID const editor = KeRegisterBoundCallback(edit_and_pass);
  REQUIRE(next != nullptr && editor != nullptr);
  const Raised raised = host.raise(0);
  EXPECT(raised.end == Raised::End::Behind);
  EXPECT(index_seen == 12);
  EXPECT(ecx_seen == Exception().ecx);
  EXPECT(raised.registers.ecx == Exception().ecx);
  EXPECT(KeDeregisterBoundCallback(editor) == STATUS_SUCCESS);
  EXPECT(KeDeregisterBoundCallback(next) == STATUS_SUCCESS);
}

CASE("Dispatch-edit-undone-for-the-program", "Dispatch edits",
     "After an edit and ContinueSearch the program's own handler sees the original registers",
     kPlain.reports("edit-without-handled", "edit_and_pass")) {
  PVOID const editor = KeRegisterBoundCallback(edit_and_pass);
  REQUIRE(editor != nullptr);
  const Exception exception;
  expect_untouched(host, host.raise(0, exception), exception);
  EXPECT(KeDeregisterBoundCallback(editor) == STATUS_SUCCESS);
}

CASE("Dispatch-edit-leaks-in-windows-profile", "Dispatch edits",
     "In the windows profile edits leak through to the program; it is reported",
     kPlain.in_windows_profile().marked().reports("edit-without-handled", "edit_and_pass")) {
  PVOID const editor = KeRegisterBoundCallback(edit_and_pass);
  REQUIRE(editor != nullptr);
  const Raised raised = host.raise(0);
  EXPECT(raised.end == Raised::End::Propagated);
  EXPECT(raised.registers.ecx == 0xbad);
  EXPECT(raised.registers.eax == 5);
  EXPECT(KeDeregisterBoundCallback(editor) == STATUS_SUCCESS);
}

BOUND_CALLBACK_STATUS NTAPI edit_and_error() {
  frame().Rax = 5;
  return BoundExceptionError;
}

CASE("Dispatch-edit-does-not-save-from-error", "Dispatch edits",
     "Edits do not count when the search ends with Error", kPlain.kills()) {
  PVOID const handle = KeRegisterBoundCallback(edit_and_error);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Terminated);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

// --- never dispatched ---

constexpr Traits kRealTrap =
    kPlain.stops(0x7F, 5, "trap_in_driver_code")
        .because("the fake host has no exceptions of its own; it raises them by calls");

REAL_TRAP_CASE("Dispatch-trap-in-driver-code", "Dispatch kernel mode",
               "A bound failure in driver code is bug check 0x7F/5 and is never dispatched",
               kRealTrap) {
  struct Driver {
    static BOUND_CALLBACK_STATUS NTAPI trap_in_driver_code() {
      // What clang emits for -fsanitize=bounds -fsanitize-trap: ud1 with the check's number.
      __asm__ volatile(".byte 0x67, 0x0f, 0xb9, 0x40, 0x12");
      return BoundExceptionHandled;
    }
  };
  REQUIRE(KeRegisterBoundCallback(pass_on) != nullptr);
  REQUIRE(KeRegisterBoundCallback(&Driver::trap_in_driver_code) != nullptr);
  host.raise(0);
  EXPECT(!"the host went on");
}

HostUnderTest* nested_host;
BOUND_CALLBACK_STATUS NTAPI raise_within() {
  nested_host->raise(0);
  return BoundExceptionHandled;
}

constexpr Traits kNested =
    kPlain.stops(0x7F, 5, "raise_within")
        .because("a stopped thread of a real program raises nothing while its callback runs");

LOCAL_CASE("Dispatch-within-a-callback", "Dispatch kernel mode",
           "An exception on a thread inside a callback is bug check 0x7F/5, never dispatched",
           kNested) {
  nested_host = &host;
  REQUIRE(KeRegisterBoundCallback(raise_within) != nullptr);
  host.raise(0);
  EXPECT(!"the host went on");
}

CASE("Dispatch-general-protection-fault-is-none", "Dispatch not a bound exception",
     "A general protection fault at a BOUND is left alone", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle != nullptr);
  const Raised raised = host.raise(0, {.flavour = Flavour::NullDataSegment});
  EXPECT(raised.end == Raised::End::Propagated);
  EXPECT(raised.trap == 13);
  EXPECT(clamp_calls.get() == 0);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Dispatch-page-fault-is-none", "Dispatch not a bound exception",
     "A page fault at a BOUND is left alone", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle != nullptr);
  const Raised raised = host.raise(0, {.flavour = Flavour::UnmappedBounds});
  EXPECT(raised.end == Raised::End::Propagated);
  EXPECT(raised.trap == 14);
  EXPECT(clamp_calls.get() == 0);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

}  // namespace
}  // namespace kebound::conformance
