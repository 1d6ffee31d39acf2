// SPDX-License-Identifier: Apache-2.0
// Answers what is no BOUND_CALLBACK_STATUS: a bug check.
#include <wdm.h>

static BOUND_CALLBACK_STATUS on_bound(VOID) { return BoundExceptionMaximum; }

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(driver);
  UNREFERENCED_PARAMETER(path);
  return KeRegisterBoundCallback(on_bound) != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
