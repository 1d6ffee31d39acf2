// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, what takes a kernel to have: IRQLs, images with loader entries, drivers that are not
// the program. Not compiled for the in-process host.
#include <stdlib.h>

#include "include/nt/kebound_nt/loader_entry.h"
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

// --- IRQLs ---

constexpr Traits kIrql = kPlain.because("a process has no IRQLs");

// Raises the IRQL for a scope.
class RaisedIrql {
 public:
  explicit RaisedIrql(KIRQL level) { KeRaiseIrql(level, &old_); }
  RaisedIrql(const RaisedIrql&) = delete;
  RaisedIrql& operator=(const RaisedIrql&) = delete;
  ~RaisedIrql() { KeLowerIrql(old_); }

 private:
  KIRQL old_ = 0;
};

KIRQL seen_irql;
bool seen_apcs_disabled;
SHORT seen_apc_disable;

BOUND_CALLBACK_STATUS NTAPI look_around() {
  seen_irql = KeGetCurrentIrql();
  seen_apcs_disabled = KeAreApcsDisabled() != FALSE;
  seen_apc_disable = KeGetCurrentThread()->KernelApcDisable;
  set_index(9);
  return BoundExceptionHandled;
}

KERNEL_CASE("Dispatch-passive-level-in-critical-region", "Dispatch context",
            "A callback runs at PASSIVE_LEVEL in a critical region", kIrql) {
  PVOID const handle = KeRegisterBoundCallback(look_around);
  REQUIRE(handle != nullptr);
  seen_irql = HIGH_LEVEL;
  for (int i = 0; i < 3; ++i) {
    EXPECT(host.raise(0).end == Raised::End::Behind);
    EXPECT(seen_irql == PASSIVE_LEVEL);
    EXPECT(seen_apcs_disabled);
    EXPECT(seen_apc_disable == -1);  // once, and given back each time
  }
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

BOUND_CALLBACK_STATUS NTAPI leave_irql_raised() {
  KIRQL old;
  KeRaiseIrql(APC_LEVEL, &old);
  set_index(9);
  return BoundExceptionHandled;
}

KERNEL_CASE("Types-irql-same-on-return", "Types BOUND_CALLBACK",
            "A callback that returns at another IRQL is reported",
            kIrql.reports("irql", "leave_irql_raised")) {
  PVOID const handle = KeRegisterBoundCallback(leave_irql_raised);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
  PVOID const next = KeRegisterBoundCallback(look_around);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(seen_irql == PASSIVE_LEVEL);  // and was put right
  EXPECT(KeDeregisterBoundCallback(next) == STATUS_SUCCESS);
}

KERNEL_CASE("Types-register-at-apc-level", "Types KeRegisterBoundCallback",
            "It may be called at APC_LEVEL", kIrql) {
  PVOID handle = nullptr;
  {
    const RaisedIrql irql(APC_LEVEL);
    handle = KeRegisterBoundCallback(clamp_to_upper);
  }
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

KERNEL_CASE("Types-deregister-at-apc-level", "Types KeDeregisterBoundCallback",
            "It may be called at APC_LEVEL", kIrql) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle != nullptr);
  {
    const RaisedIrql irql(APC_LEVEL);
    EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
  }
  EXPECT(host.raise(0).end == Raised::End::Propagated);
}

KERNEL_CASE("Deregister-5-above-apc-level", "Deregister 5",
            "Above APC_LEVEL it is refused as a violation",
            kIrql.reports("irql", "KeDeregisterBoundCallback")) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle != nullptr);
  {
    const RaisedIrql irql(DISPATCH_LEVEL);
    EXPECT(KeDeregisterBoundCallback(handle) != STATUS_SUCCESS);
  }
  EXPECT(host.raise(0).end == Raised::End::Behind);  // still registered
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

KERNEL_CASE("Register-above-apc-level", "Types KeRegisterBoundCallback",
            "Above APC_LEVEL it is refused as a violation",
            kIrql.reports("irql", "KeRegisterBoundCallback")) {
  {
    const RaisedIrql irql(DISPATCH_LEVEL);
    EXPECT(KeRegisterBoundCallback(clamp_to_upper) == nullptr);
  }
  EXPECT(host.raise(0).end == Raised::End::Propagated);
}

// --- driver images ---

constexpr Traits kImage =
    kPlain.because("any code of a process may register; it has no loader entries");

KERNEL_CASE("Register-1-routine-of-no-driver", "Register 1",
            "A routine that is executable and no driver's is answered with NULL", kImage) {
  EXPECT(KeRegisterBoundCallback(routine_at(&strtoul)) == nullptr);              // a library's
  EXPECT(KeRegisterBoundCallback(routine_at(host.bound_address())) == nullptr);  // the program's
  EXPECT(host.raise(0).end == Raised::End::Propagated);  // nothing was registered
}

KERNEL_CASE("Register-1-windows-wants-the-integrity-flag", "Register 1",
            "In the windows profile a driver whose loader entry lacks flag 0x20 gets NULL",
            kImage.in_windows_profile()) {
  EXPECT(KeRegisterBoundCallback(clamp_to_upper) == nullptr);
  EXPECT(host.raise(0).end == Raised::End::Propagated);
}

KERNEL_CASE("Register-1-windows-flag-set-by-the-driver-itself", "Register 1",
            "In the windows profile a driver may set flag 0x20 of its own loader entry",
            kImage.in_windows_profile()) {
  auto* const entry = static_cast<KEBOUND_LOADER_ENTRY*>(host.driver_object()->DriverSection);
  REQUIRE(entry != nullptr);
  entry->Flags |= 0x20;
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  EXPECT(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

KERNEL_CASE("Register-1-windows-flag-from-the-image", "Register 1",
            "In the windows profile an image that is marked /INTEGRITYCHECK may register",
            kImage.in_windows_profile().marked()) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  EXPECT(handle != nullptr);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

KERNEL_CASE("Register-1-default-needs-no-flag", "Register 1",
            "In the default profile the flag does not matter", kImage) {
  auto* const entry = static_cast<KEBOUND_LOADER_ENTRY*>(host.driver_object()->DriverSection);
  REQUIRE(entry != nullptr);
  entry->Flags &= ~uint32_t{0x20};
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  EXPECT(handle != nullptr);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

}  // namespace
}  // namespace kebound::conformance
