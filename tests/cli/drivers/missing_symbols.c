// SPDX-License-Identifier: Apache-2.0
// Needs routines that nobody has.
#include <wdm.h>

NTKERNELAPI VOID KeNoSuchRoutine(VOID);
NTKERNELAPI VOID ExNoSuchRoutine(VOID);

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(driver);
  UNREFERENCED_PARAMETER(path);
  KeNoSuchRoutine();
  ExNoSuchRoutine();
  return STATUS_SUCCESS;
}
