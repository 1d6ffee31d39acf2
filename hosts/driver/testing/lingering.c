// SPDX-License-Identifier: Apache-2.0
//
// Unloads while its system thread runs.
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;

static VOID Linger(PVOID Context) {
  LARGE_INTEGER Interval;
  UNREFERENCED_PARAMETER(Context);
  Interval.QuadPart = -500000;  // 50 ms
  KeDelayExecutionThread(KernelMode, FALSE, &Interval);
  DbgPrint("lingered\n");
}

static VOID Unload(PDRIVER_OBJECT DriverObject) { UNREFERENCED_PARAMETER(DriverObject); }

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  HANDLE Thread;
  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverUnload = Unload;
  if (!NT_SUCCESS(
          PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, Linger, NULL))) {
    return STATUS_UNSUCCESSFUL;
  }
  return ZwClose(Thread);
}
