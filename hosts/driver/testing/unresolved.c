// SPDX-License-Identifier: Apache-2.0
//
// Needs routines that nobody exports.
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
VOID FltNoSuchRoutine(VOID);
VOID ZwNoSuchRoutine(VOID);

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(DriverObject);
  UNREFERENCED_PARAMETER(RegistryPath);
  FltNoSuchRoutine();
  ZwNoSuchRoutine();
  return STATUS_SUCCESS;
}
