// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Driver life and Bug checks off Windows.
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

PVOID handle_from_entry;

NTSTATUS register_in_entry() {
  handle_from_entry = KeRegisterBoundCallback(clamp_to_upper);
  return handle_from_entry != nullptr ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

void deregister_in_unload() {
  EXPECT(KeDeregisterBoundCallback(handle_from_entry) == STATUS_SUCCESS);
}

void leave_registered() {}

CASE("Life-entry-callbacks-unload", "Life",
     "DriverEntry registers, DriverUnload deregisters, nothing is reported",
     kPlain.in_entry(register_in_entry).in_unload(deregister_in_unload)) {
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(clamp_calls.get() == 1);
}

CASE("Life-registration-left-behind", "Life left behind",
     "A registration left behind is reported with the call site that registered it",
     kPlain.in_entry(register_in_entry)
         .in_unload(leave_registered)
         .reports("registration-left-behind", "clamp_to_upper register_in_entry")) {
  EXPECT(host.raise(0).end == Raised::End::Behind);
}

CASE("Life-registration-left-behind-windows", "Life left behind",
     "In the windows profile a registration left behind is bug check 0xCE",
     kPlain.in_windows_profile()
         .marked()
         .in_entry(register_in_entry)
         .in_unload(leave_registered)
         .stops(0xCE, kAnyParameter, "clamp_to_upper")) {
  EXPECT(host.raise(0).end == Raised::End::Behind);
}

NTSTATUS register_and_fail() {
  handle_from_entry = KeRegisterBoundCallback(clamp_to_upper);
  return STATUS_UNSUCCESSFUL;
}

CASE("Life-entry-fails-after-registering", "Life entry fails",
     "A failing DriverEntry that registered is reported, the registration removed",
     kPlain.entry_failing(register_and_fail)
         .reports("registration-left-behind", "clamp_to_upper register_and_fail")) {
  // Runs only where a program runs although the driver could not be loaded.
  EXPECT(host.raise(0).end == Raised::End::Propagated);
  EXPECT(clamp_calls.get() == 0);
}

CASE("Life-entry-fails-after-registering-windows", "Life entry fails",
     "In the windows profile a failing DriverEntry that registered is bug check 0xCE",
     kPlain.in_windows_profile()
         .marked()
         .entry_failing(register_and_fail)
         .stops(0xCE, kAnyParameter, "clamp_to_upper")) {
  EXPECT(!"the host went on");
}

// A callback that runs while its driver goes away.
Signal& inside() {
  static Signal it;
  return it;
}
Counter running;

BOUND_CALLBACK_STATUS NTAPI outlive_unload() {
  ++running;
  inside().set();
  // Unload has returned when this is over: the image may not go before the callback has left.
  sleep_a_moment(30);
  set_index(9);
  --running;
  return BoundExceptionHandled;
}

NTSTATUS register_outliving() {
  return KeRegisterBoundCallback(outlive_unload) != nullptr ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

void wait_until_inside() { EXPECT(inside().wait()); }
void expect_none_running() { EXPECT(running.get() == 0); }

LOCAL_CASE("Life-image-waits-for-running-callbacks", "Life left behind",
           "A registration left behind is waited for: no callback ever runs in unmapped code",
           kPlain.in_entry(register_outliving)
               .in_unload(wait_until_inside)
               .when_gone(expect_none_running)
               .reports("registration-left-behind", "outlive_unload")
               .because("kebound unloads drivers after the last program has ended")) {
  // The unload begins when the callback is inside.
  host.start(0, {});
}

void expect_propagated() {
  EXPECT(host_now().raise(0).end == Raised::End::Propagated);
  EXPECT(clamp_calls.get() == 1);
}

LOCAL_CASE("Life-nothing-runs-after-unload", "Life",
           "After unload no callback of the driver is called",
           kPlain.in_entry(register_in_entry)
               .in_unload(leave_registered)
               .when_gone(expect_propagated)
               .reports("registration-left-behind")
               .because("kebound unloads drivers after the last program has ended")) {
  EXPECT(host.raise(0).end == Raised::End::Behind);
}

// --- bug checks ---

BOUND_CALLBACK_STATUS NTAPI bug_check_myself() { KeBugCheckEx(0xdeadbeef, 1, 2, 3, 4); }

CASE("BugCheck-record-of-a-callback", "Bug checks",
     "A bug check ends the host; its record has code, parameters, driver, callback and thread",
     kPlain.stops(0xdeadbeef, 1, "bug_check_myself")) {
  REQUIRE(KeRegisterBoundCallback(bug_check_myself) != nullptr);
  host.raise(3);
  EXPECT(!"the host went on");
}

CASE("BugCheck-from-a-system-thread", "Bug checks", "A driver's thread can end the host as well",
     kPlain.stops(0xdeadbeef, 1)) {
  SystemThread thread([] { KeBugCheckEx(0xdeadbeef, 1, 2, 3, 4); });
  EXPECT(!thread.join());
}

NTSTATUS bug_check_in_entry() { KeBugCheckEx(0xdeadbeef, 1, 2, 3, 4); }

CASE("BugCheck-in-DriverEntry", "Bug checks",
     "A bug check in DriverEntry ends the host before any program runs",
     kPlain.in_entry(bug_check_in_entry).stops(0xdeadbeef, 1)) {
  EXPECT(!"the host went on");
}

void bug_check_in_unload() { KeBugCheckEx(0xdeadbeef, 1, 2, 3, 4); }

CASE("BugCheck-in-DriverUnload", "Bug checks", "A bug check in DriverUnload ends the host",
     kPlain.in_unload(bug_check_in_unload).stops(0xdeadbeef, 1)) {
  EXPECT(host.raise(0).end == Raised::End::Propagated);
}

}  // namespace
}  // namespace kebound::conformance
