// SPDX-License-Identifier: Apache-2.0
//
// Leaves one of everything behind.
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;

static KTIMER Timer;
static KDPC Dpc;

static BOUND_CALLBACK_STATUS OnBound(VOID) { return BoundExceptionContinueSearch; }

static VOID OnTimer(PKDPC TimerDpc, PVOID Context, PVOID Argument1, PVOID Argument2) {
  UNREFERENCED_PARAMETER(TimerDpc);
  UNREFERENCED_PARAMETER(Context);
  UNREFERENCED_PARAMETER(Argument1);
  UNREFERENCED_PARAMETER(Argument2);
}

#ifdef FAIL_ENTRY
#define ENTRY_STATUS STATUS_DEVICE_NOT_READY
#else
#define ENTRY_STATUS STATUS_SUCCESS
#endif

static VOID Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNICODE_STRING Device = RTL_CONSTANT_STRING(L"\\Device\\Untidy");
  UNICODE_STRING Link = RTL_CONSTANT_STRING(L"\\??\\Untidy");
  PDEVICE_OBJECT DeviceObject;
  LARGE_INTEGER Due;

  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverUnload = Unload;
  KeRegisterBoundCallback(OnBound);
  IoCreateDevice(DriverObject, 0, &Device, FILE_DEVICE_UNKNOWN, 0, FALSE, &DeviceObject);
  IoCreateSymbolicLink(&Link, &Device);
  ExAllocatePoolWithTag(NonPagedPoolNx, 100, 'ydtU');
  KeInitializeTimer(&Timer);
  KeInitializeDpc(&Dpc, OnTimer, NULL);
  Due.QuadPart = -600000000LL;
  KeSetTimer(&Timer, Due, &Dpc);
  return ENTRY_STATUS;
}
