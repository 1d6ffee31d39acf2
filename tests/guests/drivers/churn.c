// SPDX-License-Identifier: Apache-2.0
//
// Registers and deregisters a callback in a loop, on a thread of its own, for as long as it is
// loaded. The callback poisons nothing and claims nothing; after each deregistration it must not be
// running any more.
#include <ntddk.h>

static PVOID thread;
static volatile LONG stop;
static volatile LONG registered;  // 1 while the callback may run
static volatile LONG late;        // calls outside of that
static volatile LONG calls;
static volatile LONG rounds;
static volatile LONG failures;

static BOUND_CALLBACK_STATUS NTAPI on_bound(VOID) {
  if (registered == 0) InterlockedIncrement(&late);
  InterlockedIncrement(&calls);
  if (registered == 0) InterlockedIncrement(&late);
  return BoundExceptionContinueSearch;
}

static VOID NTAPI churn(PVOID context) {
  UNREFERENCED_PARAMETER(context);
  while (InterlockedCompareExchange(&stop, 0, 0) == 0) {
    InterlockedExchange(&registered, 1);
    PVOID const handle = KeRegisterBoundCallback(on_bound);
    if (handle == NULL) InterlockedIncrement(&failures);
    // Some exceptions must come in between, or nothing is tested: wait for a call, but not for
    // ever.
    const LONG before = calls;
    LARGE_INTEGER moment;
    moment.QuadPart = -500;
    for (ULONG i = 0; i < 20 && calls == before && stop == 0; ++i) {
      KeDelayExecutionThread(KernelMode, FALSE, &moment);
    }
    if (handle != NULL && KeDeregisterBoundCallback(handle) != STATUS_SUCCESS)
      InterlockedIncrement(&failures);
    InterlockedExchange(&registered, 0);
    if (KeDeregisterBoundCallback(handle) != STATUS_INVALID_HANDLE) InterlockedIncrement(&failures);
    InterlockedIncrement(&rounds);
  }
  PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver) {
  UNREFERENCED_PARAMETER(driver);
  InterlockedExchange(&stop, 1);
  KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
  ObDereferenceObject(thread);
  DbgPrint("churn: rounds %d calls %d late %d failures %d\n", rounds, calls, late, failures);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNREFERENCED_PARAMETER(path);
  driver->DriverUnload = unload;
  HANDLE handle = NULL;
  NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, churn, NULL);
  if (!NT_SUCCESS(status)) return status;
  status = ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
  ZwClose(handle);
  return status;
}
