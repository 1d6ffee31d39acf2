// SPDX-License-Identifier: Apache-2.0
//
// Passes every exception on; for being loaded and unloaded while others work.
#include <ntddk.h>

static PVOID registration;

static BOUND_CALLBACK_STATUS NTAPI on_bound(VOID) { return BoundExceptionContinueSearch; }

static VOID NTAPI unload(PDRIVER_OBJECT driver) {
  UNREFERENCED_PARAMETER(driver);
  KeDeregisterBoundCallback(registration);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(path);
  driver->DriverUnload = unload;
  registration = KeRegisterBoundCallback(on_bound);
  return registration != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
