// SPDX-License-Identifier: Apache-2.0
//
// As meet.c, by polling: the callback sleeps until the other one is there too.
#include <ntddk.h>

static PVOID registration;
static volatile LONG inside[2];

static BOUND_CALLBACK_STATUS NTAPI on_bound(VOID) {
  KTRAP_FRAME* const frame = *(KTRAP_FRAME**)((PUCHAR)KeGetCurrentThread() + 0x90);
  const LONG index = (LONG)frame->Rax;
  if (index != 1000 && index != 2000) return BoundExceptionContinueSearch;
  const ULONG self = index == 1000 ? 0 : 1;
  const LONG round = InterlockedIncrement(&inside[self]);
  LARGE_INTEGER millisecond;
  millisecond.QuadPart = -10000;
  while (InterlockedCompareExchange(&inside[1 - self], 0, 0) < round) {
    KeDelayExecutionThread(KernelMode, FALSE, &millisecond);
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
  registration = KeRegisterBoundCallback(on_bound);
  return registration != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
