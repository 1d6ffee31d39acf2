// SPDX-License-Identifier: Apache-2.0
//
// Two exceptions meet inside the callback: the one with index 1000 waits on a semaphore that the one
// with index 2000 releases, and releases the one that that waits on. No clock is involved.
#include <ntddk.h>

static PVOID registration;
static KSEMAPHORE arrived[2];

static BOUND_CALLBACK_STATUS NTAPI on_bound(VOID) {
  KTRAP_FRAME* const frame = *(KTRAP_FRAME**)((PUCHAR)KeGetCurrentThread() + 0x90);
  const LONG index = (LONG)frame->Rax;
  if (index != 1000 && index != 2000) return BoundExceptionContinueSearch;
  const ULONG self = index == 1000 ? 0 : 1;
  // Counted: who is quick may arrive for the next round before the other has noticed this one.
  KeReleaseSemaphore(&arrived[self], IO_NO_INCREMENT, 1, FALSE);
  if (KeWaitForSingleObject(&arrived[1 - self], Executive, KernelMode, FALSE, NULL) !=
      STATUS_SUCCESS) {
    return BoundExceptionError;
  }
  frame->Rax = (ULONG)((LONG*)(ULONG_PTR)frame->Rdx)[1];
  return BoundExceptionHandled;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver) {
  UNREFERENCED_PARAMETER(driver);
  KeDeregisterBoundCallback(registration);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(path);
  driver->DriverUnload = unload;
  KeInitializeSemaphore(&arrived[0], 0, MAXLONG);
  KeInitializeSemaphore(&arrived[1], 0, MAXLONG);
  registration = KeRegisterBoundCallback(on_bound);
  return registration != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
