// SPDX-License-Identifier: Apache-2.0
// Looks at the user's stack, which a recorded exception does not have.
#include <wdm.h>

static volatile ULONG seen;

static BOUND_CALLBACK_STATUS on_bound(VOID) {
  PKTRAP_FRAME frame = *(PKTRAP_FRAME *)((PUCHAR)KeGetCurrentThread() + 0x90);
  seen = *(volatile ULONG *)frame->Rsp;
  return BoundExceptionContinueSearch;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(driver);
  UNREFERENCED_PARAMETER(path);
  return KeRegisterBoundCallback(on_bound) != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
