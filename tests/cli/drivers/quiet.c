// SPDX-License-Identifier: Apache-2.0
// Registers and deregisters, and never claims anything.
#include <wdm.h>

static PVOID handle;

static BOUND_CALLBACK_STATUS on_bound(VOID) { return BoundExceptionContinueSearch; }

static VOID unload(PDRIVER_OBJECT driver) {
  UNREFERENCED_PARAMETER(driver);
  KeDeregisterBoundCallback(handle);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(path);
  handle = KeRegisterBoundCallback(on_bound);
  if (handle == NULL) return STATUS_UNSUCCESSFUL;
  driver->DriverUnload = unload;
  return STATUS_SUCCESS;
}
