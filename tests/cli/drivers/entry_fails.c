// SPDX-License-Identifier: Apache-2.0
// A driver that refuses to start.
#include <wdm.h>

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(driver);
  UNREFERENCED_PARAMETER(path);
  return STATUS_UNSUCCESSFUL;
}
