// SPDX-License-Identifier: Apache-2.0
// Claims to have handled what it has not touched: a livelock.
#include <wdm.h>

static BOUND_CALLBACK_STATUS on_bound(VOID) { return BoundExceptionHandled; }

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(driver);
  UNREFERENCED_PARAMETER(path);
  return KeRegisterBoundCallback(on_bound) != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
