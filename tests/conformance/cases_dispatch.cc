// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Dispatch: where callbacks run, and the table of what their answers do.
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

// --- where callbacks run ---

CASE("Dispatch-callback-may-block", "Dispatch context",
     "A callback may wait, here for the case's own thread", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(block);
  REQUIRE(handle != nullptr);
  host.start(0, {});
  EXPECT(eventually([] { return waiting.get() == 1; }));
  released().set();
  EXPECT(host.wait(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

BOUND_CALLBACK_STATUS NTAPI meet_all() {
  ++waiting;
  // Nobody leaves before all threads of the program are inside.
  if (!eventually([] { return waiting.get() == static_cast<int32_t>(kThreads); }))
    return BoundExceptionError;
  set_index(9);
  return BoundExceptionHandled;
}

CASE("Dispatch-many-threads-at-once", "Dispatch concurrency",
     "Many threads run the same callback at once", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(meet_all);
  REQUIRE(handle != nullptr);
  for (unsigned thread = 0; thread < kThreads; ++thread) host.start(thread, {});
  for (unsigned thread = 0; thread < kThreads; ++thread)
    EXPECT(host.wait(thread).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

PVOID inner_handle;
NTSTATUS inner_status;

BOUND_CALLBACK_STATUS NTAPI register_within() {
  inner_handle = KeRegisterBoundCallback(pass_on);
  inner_status = KeDeregisterBoundCallback(inner_handle);
  set_index(9);
  return BoundExceptionHandled;
}

CASE("Dispatch-no-lock-held", "Dispatch concurrency",
     "No lock is held: a callback registers and deregisters others", kPlain) {
  inner_status = STATUS_UNSUCCESSFUL;
  PVOID const handle = KeRegisterBoundCallback(register_within);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(inner_handle != nullptr);
  EXPECT(inner_status == STATUS_SUCCESS);
  EXPECT(pass_calls.get() == 0);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Dispatch-no-lock-held-by-a-blocked-callback", "Dispatch concurrency",
     "While a callback blocks, others can register and deregister", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(block);
  REQUIRE(handle != nullptr);
  host.start(0, {});
  EXPECT(eventually([] { return waiting.get() == 1; }));
  for (int i = 0; i < 100; ++i) {
    PVOID const other = KeRegisterBoundCallback(pass_on);
    EXPECT(other != nullptr);
    EXPECT(KeDeregisterBoundCallback(other) == STATUS_SUCCESS);
  }
  released().set();
  EXPECT(host.wait(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

uint64_t allocations_at[4];
Counter asked;

BOUND_CALLBACK_STATUS NTAPI note_allocations() {
  const int32_t call = ++asked;
  if (call <= 4) allocations_at[call - 1] = host_now().allocations();
  if (call % 2 == 1) return BoundExceptionContinueSearch;
  set_index(9);
  return BoundExceptionHandled;
}

constexpr Traits kAllocationsSeen =
    kPlain.because("kebound run writes reports; its own allocations are not the facility's");

LOCAL_CASE("Dispatch-allocates-nothing", "Dispatch concurrency", "Dispatch allocates nothing",
           kAllocationsSeen) {
  PVOID const first = KeRegisterBoundCallback(note_allocations);
  PVOID const second = KeRegisterBoundCallback(note_allocations);
  REQUIRE(first != nullptr && second != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  REQUIRE(asked.get() == 4);
  // From the first callback of one exception to the last of the next, with all that the host does
  // in between.
  EXPECT(allocations_at[0] == allocations_at[3]);
  EXPECT(KeDeregisterBoundCallback(first) == STATUS_SUCCESS);
  EXPECT(KeDeregisterBoundCallback(second) == STATUS_SUCCESS);
}

// --- 0, ContinueSearch ---

CASE("Dispatch-continue-asks-the-next", "Dispatch 0",
     "After ContinueSearch the next callback is asked", kPlain) {
  PVOID const clamp = KeRegisterBoundCallback(clamp_to_upper);
  PVOID const pass = KeRegisterBoundCallback(pass_on);
  REQUIRE(clamp != nullptr && pass != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(pass_calls.get() == 1);
  EXPECT(clamp_calls.get() == 1);
  EXPECT(KeDeregisterBoundCallback(pass) == STATUS_SUCCESS);
  EXPECT(KeDeregisterBoundCallback(clamp) == STATUS_SUCCESS);
}

CASE("Dispatch-continue-propagates-after-the-last", "Dispatch 0",
     "After the last ContinueSearch the program's own handler gets it, untouched", kPlain) {
  PVOID const first = KeRegisterBoundCallback(pass_on);
  PVOID const second = KeRegisterBoundCallback(pass_on);
  REQUIRE(first != nullptr && second != nullptr);
  const Exception exception;
  expect_untouched(host, host.raise(0, exception), exception);
  EXPECT(pass_calls.get() == 2);
  EXPECT(KeDeregisterBoundCallback(first) == STATUS_SUCCESS);
  EXPECT(KeDeregisterBoundCallback(second) == STATUS_SUCCESS);
}

CASE("Dispatch-continue-default-action", "Dispatch 0",
     "Without a handler of its own the program dies of SIGSEGV, as without kebound",
     kPlain.kills()) {
  PVOID const handle = KeRegisterBoundCallback(pass_on);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0, {.own_handler = false}).end == Raised::End::Propagated);
  EXPECT(pass_calls.get() == 1);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Dispatch-nobody-registered", "Dispatch 0", "With no callback at all it propagates", kPlain) {
  const Exception exception;
  expect_untouched(host, host.raise(0, exception), exception);
}

// --- 1, Handled ---

CASE("Dispatch-handled-ends-the-search", "Dispatch 1", "After Handled nobody else is asked",
     kPlain) {
  PVOID const pass = KeRegisterBoundCallback(pass_on);
  PVOID const clamp = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(clamp != nullptr && pass != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(pass_calls.get() == 0);
  EXPECT(KeDeregisterBoundCallback(pass) == STATUS_SUCCESS);
  EXPECT(KeDeregisterBoundCallback(clamp) == STATUS_SUCCESS);
}

CASE("Dispatch-handled-resumes-with-the-frame", "Dispatch 1",
     "The thread resumes with the frame as it was left", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle != nullptr);
  const Raised raised = host.raise(2);
  EXPECT(raised.end == Raised::End::Behind);
  EXPECT(raised.registers.eax == 9);
  EXPECT(raised.registers.ecx == Exception().ecx);
  EXPECT(raised.registers.edi == Exception().edi);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

Counter tries;
int32_t tries_before_repair;

BOUND_CALLBACK_STATUS NTAPI repair_at_last() {
  if (++tries > tries_before_repair) set_index(9);
  return BoundExceptionHandled;
}

CASE("Dispatch-handled-unedited-faults-again", "Dispatch 1",
     "Unedited, the instruction faults again", kPlain) {
  tries_before_repair = 3;
  PVOID const handle = KeRegisterBoundCallback(repair_at_last);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(tries.get() == 4);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Dispatch-handled-livelock", "Dispatch 1",
     "The same exception again and again is reported and treated as Error at the limit",
     kPlain.livelock(50).kills().gives_reason("livelock")) {
  tries_before_repair = 1'000'000;
  PVOID const handle = KeRegisterBoundCallback(repair_at_last);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Terminated);
  EXPECT(tries.get() == 49 || tries.get() == 50);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Dispatch-handled-livelock-limit-not-reached", "Dispatch 1", "Below the limit nothing is done",
     kPlain.livelock(50)) {
  tries_before_repair = 48;
  PVOID const handle = KeRegisterBoundCallback(repair_at_last);
  REQUIRE(handle != nullptr);
  for (int i = 0; i < 3; ++i) {
    tries.set(0);
    EXPECT(host.raise(0, {.index = 12 + i}).end == Raised::End::Behind);
    EXPECT(tries.get() == 49);
  }
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Dispatch-handled-livelock-default-limit", "Dispatch 1", "The default limit is 10,000",
     kPlain.kills().gives_reason("livelock")) {
  tries_before_repair = 1'000'000;
  PVOID const handle = KeRegisterBoundCallback(repair_at_last);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Terminated);
  EXPECT(tries.get() == 9'999 || tries.get() == 10'000);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Dispatch-handled-livelock-never", "Dispatch 1", "With the limit 0 there is no guard",
     kPlain.livelock(0)) {
  tries_before_repair = 20'000;
  PVOID const handle = KeRegisterBoundCallback(repair_at_last);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(tries.get() == 20'001);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

BOUND_CALLBACK_STATUS NTAPI change_something_each_time() {
  frame().Rcx += 1;
  if (++tries > tries_before_repair) set_index(9);
  return BoundExceptionHandled;
}

CASE("Dispatch-handled-progress-is-no-livelock", "Dispatch 1",
     "With other registers each time it is no livelock", kPlain.livelock(50)) {
  tries_before_repair = 500;
  PVOID const handle = KeRegisterBoundCallback(change_something_each_time);
  REQUIRE(handle != nullptr);
  const Raised raised = host.raise(0);
  EXPECT(raised.end == Raised::End::Behind);
  EXPECT(raised.registers.ecx == Exception().ecx + 501);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

BOUND_CALLBACK_STATUS NTAPI repair_at_once() {
  set_index(9);
  return BoundExceptionHandled;
}

CASE("Dispatch-handled-repaired-loop-is-no-livelock", "Dispatch 1",
     "Equal exceptions between which the check passed are no livelock", kPlain.livelock(50)) {
  PVOID const handle = KeRegisterBoundCallback(repair_at_once);
  REQUIRE(handle != nullptr);
  for (int i = 0; i < 200; ++i) EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

}  // namespace
}  // namespace kebound::conformance
