// SPDX-License-Identifier: Apache-2.0
//
// Has no DriverUnload.
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;

static BOUND_CALLBACK_STATUS OnBound(VOID) { return BoundExceptionHandled; }

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(DriverObject);
  UNREFERENCED_PARAMETER(RegistryPath);
  return KeRegisterBoundCallback(OnBound) != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}
