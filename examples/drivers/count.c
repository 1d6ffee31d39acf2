// SPDX-License-Identifier: Apache-2.0
//
// count: sees every bound exception and leaves it to whoever comes next.
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD Unload;
static BOUND_CALLBACK OnBound;

static PVOID Handle;
static volatile LONG Seen;

static BOUND_CALLBACK_STATUS OnBound(void) {
  InterlockedIncrement(&Seen);
  return BoundExceptionContinueSearch;
}

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  KeDeregisterBoundCallback(Handle);
  DbgPrint("%d bound exceptions\n", Seen);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverUnload = Unload;
  Handle = KeRegisterBoundCallback(OnBound);
  return Handle != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}
