// SPDX-License-Identifier: Apache-2.0
//
// Two exceptions meet inside the callback: the one with index 1000 waits on an event that the one
// with index 2000 sets, and sets the one that that waits on. No clock is involved.
#include <ntddk.h>

static PVOID registration;
static KEVENT arrived[2];

static BOUND_CALLBACK_STATUS NTAPI on_bound(VOID) {
  KTRAP_FRAME* const frame = *(KTRAP_FRAME**)((PUCHAR)KeGetCurrentThread() + 0x90);
  const LONG index = (LONG)frame->Rax;
  if (index != 1000 && index != 2000) return BoundExceptionContinueSearch;
  const ULONG self = index == 1000 ? 0 : 1;
  KeSetEvent(&arrived[self], IO_NO_INCREMENT, FALSE);
  // Synchronization events: each arrival lets one waiter go, so that the rounds stay apart.
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
  KeInitializeEvent(&arrived[0], SynchronizationEvent, FALSE);
  KeInitializeEvent(&arrived[1], SynchronizationEvent, FALSE);
  registration = KeRegisterBoundCallback(on_bound);
  return registration != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
