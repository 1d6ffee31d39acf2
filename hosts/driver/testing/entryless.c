// SPDX-License-Identifier: Apache-2.0
//
// Its DriverEntry is not visible.
#include <ntddk.h>

static NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(RegistryPath);
  return DriverObject != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
PDRIVER_INITIALIZE Hidden = DriverEntry;
