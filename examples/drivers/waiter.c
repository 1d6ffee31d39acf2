// SPDX-License-Identifier: Apache-2.0
//
// waiter: a callback that blocks. Each exception waits for its turn on a timer's DPC, as a driver would that asks
// something outside before it decides; other threads of the program go on meanwhile.
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD Unload;
static BOUND_CALLBACK OnBound;
static KDEFERRED_ROUTINE OnTimer;

static PVOID Handle;
static KEVENT Decided;  // synchronization event: one waiter goes on at each tick
static KTIMER Timer;
static KDPC Dpc;

static VOID OnTimer(PKDPC TimerDpc, PVOID Context, PVOID Argument1, PVOID Argument2) {
  UNREFERENCED_PARAMETER(TimerDpc);
  UNREFERENCED_PARAMETER(Context);
  UNREFERENCED_PARAMETER(Argument1);
  UNREFERENCED_PARAMETER(Argument2);
  KeSetEvent(&Decided, IO_NO_INCREMENT, FALSE);
}

static BOUND_CALLBACK_STATUS OnBound(void) {
  KeWaitForSingleObject(&Decided, Executive, KernelMode, FALSE, NULL);
  return BoundExceptionContinueSearch;
}

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  KeDeregisterBoundCallback(Handle);  // waits for the callbacks that wait for the timer: so the timer goes last
  KeCancelTimer(&Timer);
  KeFlushQueuedDpcs();
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  LARGE_INTEGER Due;

  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverUnload = Unload;
  KeInitializeEvent(&Decided, SynchronizationEvent, FALSE);
  KeInitializeTimer(&Timer);
  KeInitializeDpc(&Dpc, OnTimer, NULL);
  Due.QuadPart = -10000;  // 1 ms from now, in units of 100 ns
  KeSetTimerEx(&Timer, Due, 1, &Dpc);
  Handle = KeRegisterBoundCallback(OnBound);
  if (Handle == NULL) {
    KeCancelTimer(&Timer);
    KeFlushQueuedDpcs();
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  return STATUS_SUCCESS;
}
