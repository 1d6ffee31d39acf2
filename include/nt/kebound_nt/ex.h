// SPDX-License-Identifier: Apache-2.0
//
// Executive routines: pool, fast mutexes, rundown protection.
#ifndef KEBOUND_NT_EX_H_
#define KEBOUND_NT_EX_H_

#include "ke.h"

KEBOUND_NT_BEGIN

typedef enum _POOL_TYPE {
  NonPagedPool = 0,
  NonPagedPoolExecute = 0,
  PagedPool = 1,
  NonPagedPoolCacheAligned = 4,
  PagedPoolCacheAligned = 5,
  NonPagedPoolNx = 512,
} POOL_TYPE;
typedef ULONG64 POOL_FLAGS;
#define POOL_FLAG_UNINITIALIZED 0x0000000000000002ULL
#define POOL_FLAG_CACHE_ALIGNED 0x0000000000000008ULL
#define POOL_FLAG_RAISE_ON_FAILURE 0x0000000000000020ULL
#define POOL_FLAG_NON_PAGED 0x0000000000000040ULL
#define POOL_FLAG_NON_PAGED_EXECUTE 0x0000000000000080ULL
#define POOL_FLAG_PAGED 0x0000000000000100ULL

// Allocates memory, 16-byte aligned, page-aligned from a page on; its contents are undefined. Tag
// is four characters that a free and the report of leaks name. NULL when there is not enough
// memory. Allocations are counted for the driver that made them, and what is left at unload is
// reported. Bug check 0xC2 for paged pool above APC_LEVEL or anything above DISPATCH_LEVEL. IRQL <=
// DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI PVOID NTAPI
    ExAllocatePoolWithTag(_In_ POOL_TYPE PoolType, _In_ SIZE_T NumberOfBytes, _In_ ULONG Tag);
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI PVOID NTAPI
    ExAllocatePool(_In_ POOL_TYPE PoolType, _In_ SIZE_T NumberOfBytes);
// The same, zeroed unless POOL_FLAG_UNINITIALIZED. NULL also for a size or a tag of 0 or for flags
// that name no pool.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI PVOID NTAPI
    ExAllocatePool2(_In_ POOL_FLAGS Flags, _In_ SIZE_T NumberOfBytes, _In_ ULONG Tag);
FORCEINLINE PVOID ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag) {
  PVOID block = ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
  if (block != NULL) __builtin_memset(block, 0, NumberOfBytes);
  return block;
}
// Frees it. Bug check 0xC2 for what is no allocation (0x46), was freed before (0x07) or has another
// tag (0x0A); 0x19 when something was written behind its end. A Tag of 0 matches any. IRQL <=
// DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI VOID NTAPI
    ExFreePoolWithTag(_In_ PVOID P, _In_ ULONG Tag);
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI VOID NTAPI ExFreePool(_In_ PVOID P);

// Fast mutexes: not recursive; the owner runs at APC_LEVEL. IRQL <= APC_LEVEL. Bug check 0xC4 when
// the owner acquires it again, or somebody else releases it.
FORCEINLINE VOID ExInitializeFastMutex(PFAST_MUTEX FastMutex) {
  FastMutex->Count = FM_LOCK_BIT;
  FastMutex->Owner = NULL;
  FastMutex->Contention = 0;
  KeInitializeEvent(&FastMutex->Event, SynchronizationEvent, FALSE);
}
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    ExAcquireFastMutex(_Inout_ PFAST_MUTEX FastMutex);
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    ExReleaseFastMutex(_Inout_ PFAST_MUTEX FastMutex);
// TRUE when it was free and is ours now.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI BOOLEAN NTAPI
    ExTryToAcquireFastMutex(_Inout_ PFAST_MUTEX FastMutex);
// The same without a change of IRQL: at APC_LEVEL or in a critical region.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    ExAcquireFastMutexUnsafe(_Inout_ PFAST_MUTEX FastMutex);
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    ExReleaseFastMutexUnsafe(_Inout_ PFAST_MUTEX FastMutex);

// Rundown protection: uses are counted until somebody waits for them to end; then there are no new
// ones. Initialize: any IRQL. Acquire is FALSE once the rundown began; release ends one use. IRQL
// <= DISPATCH_LEVEL.
NTKERNELAPI VOID NTAPI ExInitializeRundownProtection(_Out_ PEX_RUNDOWN_REF RunRef);
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI BOOLEAN NTAPI
    ExAcquireRundownProtection(_Inout_ PEX_RUNDOWN_REF RunRef);
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI VOID NTAPI
    ExReleaseRundownProtection(_Inout_ PEX_RUNDOWN_REF RunRef);
// Begins the rundown and waits for the uses to end. IRQL <= APC_LEVEL, bug check 0x0A otherwise.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    ExWaitForRundownProtectionRelease(_Inout_ PEX_RUNDOWN_REF RunRef);

// The mode that the running thread came from: UserMode inside a bound callback, KernelMode
// elsewhere. Any IRQL.
NTKERNELAPI KPROCESSOR_MODE NTAPI ExGetPreviousMode(VOID);

KEBOUND_NT_END

#endif  // KEBOUND_NT_EX_H_
