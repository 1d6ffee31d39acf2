// SPDX-License-Identifier: Apache-2.0
//
// Does to the faulting program's memory, and to itself, what the program asks for in esi, with the
// pointer in edi: what drivers of this kind do right and wrong.
#include <ntddk.h>

static PVOID registration;

// A table that the index of command 6 is outside of; volatile, so that the check is made when it
// runs.
static volatile ULONG table[4];

static BOUND_CALLBACK_STATUS NTAPI on_bound(VOID) {
  KTRAP_FRAME* const frame = *(KTRAP_FRAME**)((PUCHAR)KeGetCurrentThread() + 0x90);
  PUCHAR const user = (PUCHAR)(ULONG_PTR)frame->Rdi;
  switch ((ULONG)frame->Rsi) {
    case 1: {  // the text at edi, reversed, to edi + 32; then the index to the lower bound, which
               // edx points at
      ULONG length = 0;
      while (user[length] != 0) ++length;
      for (ULONG i = 0; i < length; ++i) user[32 + i] = user[length - 1 - i];
      user[32 + length] = 0;
      frame->Rax = (ULONG) * (LONG*)(ULONG_PTR)frame->Rdx;
      return BoundExceptionHandled;
    }
    case 2:
      frame->Rax = *(volatile UCHAR*)user;
      return BoundExceptionHandled;
    case 3:
      *(volatile UCHAR*)user = 1;
      return BoundExceptionHandled;
    case 4:  // not canonical: a general protection fault
      frame->Rax = *(volatile UCHAR*)(ULONG_PTR)0x8000000000000000ull;
      return BoundExceptionHandled;
    case 5:
      return BoundExceptionMaximum;
    case 6: {
      volatile ULONG index = (ULONG)frame->Rax;
      table[index] = 1;
      return BoundExceptionHandled;
    }
    case 7:
      KeBugCheckEx(0xE2, 1, 2, 3, 4);
    case 8: {  // a pointer of a 64-bit program, in r8: 64 bits read, incremented and written back
      ULONGLONG* const counter = (ULONGLONG*)(ULONG_PTR)frame->R8;
      *counter += 1;
      frame->Rax = (ULONG) * (LONG*)(ULONG_PTR)frame->Rdx;
      return BoundExceptionHandled;
    }
    case 9:
      return (BOUND_CALLBACK_STATUS)0x7fffffff;
    default:
      return BoundExceptionContinueSearch;
  }
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
