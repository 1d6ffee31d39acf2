// SPDX-License-Identifier: Apache-2.0
// Says when it is loaded, asked and unloaded; -DNAME tells its copies apart.
#include <wdm.h>

static PVOID handle;

static BOUND_CALLBACK_STATUS on_bound(VOID) {
  DbgPrint(NAME " asked\n");
  return BoundExceptionContinueSearch;
}

static VOID unload(PDRIVER_OBJECT driver) {
  UNREFERENCED_PARAMETER(driver);
  DbgPrint(NAME " unloaded\n");
  KeDeregisterBoundCallback(handle);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(path);
  DbgPrint(NAME " loaded\n");
  handle = KeRegisterBoundCallback(on_bound);
  driver->DriverUnload = unload;
  return STATUS_SUCCESS;
}
