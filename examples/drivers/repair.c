// SPDX-License-Identifier: Apache-2.0
//
// repair: sets the index of a failed BOUND to the nearest bound and lets the instruction run again.
//
// The shape of a driver that uses the facility: registered in DriverEntry, deregistered in DriverUnload; the callback
// takes no argument and finds the user's registers in the trap frame of the current thread. 32-bit code only, as
// BOUND is. What it does not understand is not its own: ContinueSearch.
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD Unload;
static BOUND_CALLBACK OnBound;

static PVOID Handle;
static volatile LONG Repaired;

// KTHREAD.TrapFrame. The WDK does not declare KTHREAD; drivers of this kind know the offset.
static PKTRAP_FRAME CurrentTrapFrame(void) {
  return *(PKTRAP_FRAME *)((PUCHAR)KeGetCurrentThread() + 0x90);
}

// The frame's slot of a register by its number in the instruction; NULL for ESP, which no compiler bounds.
static PULONG64 RegisterOf(PKTRAP_FRAME Frame, UCHAR Number) {
  switch (Number & 7) {
    case 0: return &Frame->Rax;
    case 1: return &Frame->Rcx;
    case 2: return &Frame->Rdx;
    case 3: return &Frame->Rbx;
    case 5: return &Frame->Rbp;
    case 6: return &Frame->Rsi;
    case 7: return &Frame->Rdi;
    default: return NULL;
  }
}

static ULONG Read32(const UCHAR *Bytes) {
  return (ULONG)Bytes[0] | (ULONG)Bytes[1] << 8 | (ULONG)Bytes[2] << 16 | (ULONG)Bytes[3] << 24;
}

// Where BOUND's memory operand is: 32-bit addressing without prefixes, which is what compilers and assemblers
// emit. FALSE for any other form. Code points behind the opcode.
static BOOLEAN OperandAddress(PKTRAP_FRAME Frame, const UCHAR *Code, PULONG Address) {
  const UCHAR Mode = (UCHAR)(Code[0] >> 6);
  UCHAR Base = (UCHAR)(Code[0] & 7);
  const UCHAR *Next = Code + 1;
  ULONG Sum = 0;
  BOOLEAN HasBase = TRUE;

  if (Mode == 3) return FALSE;
  if (Base == 4) {  // a SIB byte follows
    const UCHAR Sib = *Next++;
    const UCHAR Index = (UCHAR)(Sib >> 3 & 7);
    if (Index != 4) Sum = (ULONG)*RegisterOf(Frame, Index) << (Sib >> 6);
    Base = (UCHAR)(Sib & 7);
  }
  if (Mode == 0 && Base == 5) {
    HasBase = FALSE;
    Sum += Read32(Next);
  }
  if (HasBase) Sum += (ULONG)(Base == 4 ? Frame->Rsp : *RegisterOf(Frame, Base));
  if (Mode == 1) Sum += (ULONG)(LONG)(CHAR)*Next;
  if (Mode == 2) Sum += Read32(Next);
  *Address = Sum;
  return TRUE;
}

// Called for every bound exception of every user thread: PASSIVE_LEVEL, in the context of that thread, any
// number of threads at once.
static BOUND_CALLBACK_STATUS OnBound(void) {
  const PKTRAP_FRAME Frame = CurrentTrapFrame();
  // User addresses. On Windows wrap these reads in __try: the program may unmap its own code at any time.
  const UCHAR *const Code = (const UCHAR *)(ULONG_PTR)(ULONG)Frame->Rip;
  PULONG64 Register;
  ULONG Address;
  const LONG *Bounds;
  LONG Index;
  LONG Nearest;

  if (Code[0] != 0x62 || !OperandAddress(Frame, Code + 1, &Address)) {
    return BoundExceptionContinueSearch;
  }
  Register = RegisterOf(Frame, (UCHAR)(Code[1] >> 3));
  if (Register == NULL) return BoundExceptionContinueSearch;

  Bounds = (const LONG *)(ULONG_PTR)Address;
  if (Bounds[0] > Bounds[1]) return BoundExceptionContinueSearch;  // no index would pass
  Index = (LONG)*Register;
  Nearest = Index < Bounds[0] ? Bounds[0] : Bounds[1];
  *Register = (ULONG)Nearest;
  InterlockedIncrement(&Repaired);
  DbgPrint("process %Iu: index %d is outside [%d, %d], continues with %d\n",
           (SIZE_T)PsGetCurrentProcessId(), Index, Bounds[0], Bounds[1], Nearest);
  return BoundExceptionHandled;  // BOUND runs again, and passes
}

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  // When this returns, no thread is inside OnBound and none will be: the image can go.
  if (!NT_SUCCESS(KeDeregisterBoundCallback(Handle))) DbgPrint("was not registered\n");
  DbgPrint("repaired %d\n", Repaired);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverUnload = Unload;
  Handle = KeRegisterBoundCallback(OnBound);
  return Handle != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}
