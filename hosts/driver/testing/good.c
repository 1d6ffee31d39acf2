// SPDX-License-Identifier: Apache-2.0
#include <ntddk.h>

DRIVER_INITIALIZE DriverEntry;

static PVOID Handle;

static BOUND_CALLBACK_STATUS OnBound(VOID) {
  KeGetCurrentThread()->TrapFrame->Rax = 5;
  DbgPrint("asked\n");
  return BoundExceptionHandled;
}

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  KeDeregisterBoundCallback(Handle);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  DriverObject->DriverUnload = Unload;
  Handle = KeRegisterBoundCallback(OnBound);
  DbgPrint("%wZ %wZ flags %x%s", RegistryPath, &DriverObject->DriverName,
           *(PULONG)((PUCHAR)DriverObject->DriverSection + 0x68),
           Handle != NULL ? "" : " not registered");
  return STATUS_SUCCESS;
}
