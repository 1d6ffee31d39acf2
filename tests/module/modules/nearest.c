// SPDX-License-Identifier: Apache-2.0
//
// nearest: an NT driver that sees a compiler's check where the contract puts it, at the compare, as a driver without
// any other knowledge sees it: `cmp $imm8,%reg`, the register in the trap frame. Sets it to 9.
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD Unload;
static BOUND_CALLBACK OnBound;
static PVOID Handle;

static BOUND_CALLBACK_STATUS OnBound(void) {
  const PKTRAP_FRAME Frame = *(PKTRAP_FRAME *)((PUCHAR)KeGetCurrentThread() + 0x90);
  const UCHAR *Code = (const UCHAR *)(ULONG_PTR)Frame->Rip;
  PULONG64 Register = NULL;

  if (Code[0] == 0x48) ++Code;
  if (Code[0] != 0x83) return BoundExceptionContinueSearch;
  switch (Code[1]) {
    case 0xf8: Register = &Frame->Rax; break;
    case 0xf9: Register = &Frame->Rcx; break;
    case 0xfe: Register = &Frame->Rsi; break;
    case 0xff: Register = &Frame->Rdi; break;
    default: return BoundExceptionContinueSearch;
  }
  DbgPrint("at a compare of %Iu with %d\n", (SIZE_T)*Register, Code[2]);
  *Register = 9;
  return BoundExceptionHandled;
}

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  KeDeregisterBoundCallback(Handle);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverUnload = Unload;
  Handle = KeRegisterBoundCallback(OnBound);
  return Handle != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}
