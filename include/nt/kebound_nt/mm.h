// SPDX-License-Identifier: Apache-2.0
//
// Memory: what a driver may touch, and where the system's routines are.
#ifndef KEBOUND_NT_MM_H_
#define KEBOUND_NT_MM_H_

#include "sal.h"
#include "status.h"
#include "types.h"

KEBOUND_NT_BEGIN

// The first address that is not user space: 2^47 - 64 KiB, on Linux as on NT.
#define MM_USER_PROBE_ADDRESS 0x00007FFFFFFF0000ULL

// TRUE when a read of the address would not fault now. Any IRQL.
NTKERNELAPI BOOLEAN NTAPI MmIsAddressValid(_In_ PVOID VirtualAddress);
// The exported routine of that name (case matters), NULL if kebound exports none. IRQL
// PASSIVE_LEVEL.
_IRQL_requires_max_(PASSIVE_LEVEL) NTKERNELAPI PVOID NTAPI
    MmGetSystemRoutineAddress(_In_ PUNICODE_STRING SystemRoutineName);
// Checks that a range is user space and aligned (1, 2, 4, 8, 16); for writing also touches each
// page. There is no SEH: what raises STATUS_ACCESS_VIOLATION or STATUS_DATATYPE_MISALIGNMENT on NT
// is bug check 0x1E with that status, as it is there without a handler. A length of 0 passes. IRQL
// <= APC_LEVEL.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    ProbeForRead(_In_ const volatile VOID* Address, _In_ SIZE_T Length, _In_ ULONG Alignment);
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    ProbeForWrite(_Inout_ volatile VOID* Address, _In_ SIZE_T Length, _In_ ULONG Alignment);

KEBOUND_NT_END

#endif  // KEBOUND_NT_MM_H_
