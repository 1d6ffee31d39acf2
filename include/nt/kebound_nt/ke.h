// SPDX-License-Identifier: Apache-2.0
//
// Kernel routines: IRQL, critical regions, waits and what is waited for, timers, DPCs, spin locks,
// time, bug checks. Context of all: an NT thread (one that runs driver code), where nothing else is
// said.
#ifndef KEBOUND_NT_KE_H_
#define KEBOUND_NT_KE_H_

#include "dispatcher.h"
#include "interlocked.h"
#include "sal.h"

KEBOUND_NT_BEGIN

// ---- IRQL
// -------------------------------------------------------------------------------------------------------

// The running thread's IRQL. Any IRQL.
NTKERNELAPI KIRQL NTAPI KeGetCurrentIrql(VOID);
// Raises the IRQL to NewIrql and returns the one before. Bug check 0x0A where NewIrql is lower than
// the present one.
_IRQL_requires_max_(HIGH_LEVEL) _IRQL_raises_(NewIrql) NTKERNELAPI KIRQL NTAPI
    KfRaiseIrql(_In_ KIRQL NewIrql);
#define KeRaiseIrql(NewIrql, OldIrql) (*(OldIrql) = KfRaiseIrql(NewIrql))
// Lowers the IRQL to what a raise returned. Bug check 0x0A where NewIrql is higher than the present
// one.
_IRQL_requires_max_(HIGH_LEVEL) NTKERNELAPI VOID NTAPI KeLowerIrql(_In_ KIRQL NewIrql);
// Raises to DISPATCH_LEVEL and returns the IRQL before; bug check 0x0A above DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI KIRQL NTAPI KeRaiseIrqlToDpcLevel(VOID);

// ---- Critical regions
// -------------------------------------------------------------------------------------------

// Disables (enables) normal kernel APCs for the thread; nests. A leave without an enter is reported
// as a violation. IRQL <= APC_LEVEL.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI KeEnterCriticalRegion(VOID);
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI KeLeaveCriticalRegion(VOID);
// The same for all kernel APCs.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI KeEnterGuardedRegion(VOID);
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI KeLeaveGuardedRegion(VOID);
// TRUE inside a critical or guarded region or at IRQL >= APC_LEVEL. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI BOOLEAN NTAPI KeAreApcsDisabled(VOID);
// TRUE inside a guarded region or at IRQL >= APC_LEVEL. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI BOOLEAN NTAPI KeAreAllApcsDisabled(VOID);

// ---- Events
// -----------------------------------------------------------------------------------------------------

// Makes an event. A notification event stays signalled until it is reset and releases all who wait;
// a synchronization event releases one and resets itself. Any IRQL.
NTKERNELAPI VOID NTAPI KeInitializeEvent(_Out_ PRKEVENT Event, _In_ EVENT_TYPE Type,
                                         _In_ BOOLEAN State);
// Signals the event; returns its state before (not 0: it was signalled). Increment is ignored; Wait
// must be FALSE above APC_LEVEL and is ignored. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI LONG NTAPI
    KeSetEvent(_Inout_ PRKEVENT Event, _In_ KPRIORITY Increment, _In_ BOOLEAN Wait);
// Makes it not signalled; returns its state before. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI LONG NTAPI KeResetEvent(_Inout_ PRKEVENT Event);
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI VOID NTAPI KeClearEvent(_Inout_ PRKEVENT Event);
// Its state, not 0: signalled. Any IRQL.
NTKERNELAPI LONG NTAPI KeReadStateEvent(_In_ PRKEVENT Event);

// ---- Mutexes and semaphores
// -------------------------------------------------------------------------------------

// Makes a free mutex. Owned recursively by a thread, which is in a critical region meanwhile. Level
// is ignored. Any IRQL.
NTKERNELAPI VOID NTAPI KeInitializeMutex(_Out_ PRKMUTEX Mutex, _In_ ULONG Level);
// Gives the mutex up once; returns its state before (0: it is free now). A thread that does not own
// it raises STATUS_MUTANT_NOT_OWNED, which is bug check 0x1E. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI LONG NTAPI
    KeReleaseMutex(_Inout_ PRKMUTEX Mutex, _In_ BOOLEAN Wait);
// 1: free. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI LONG NTAPI KeReadStateMutex(_In_ PRKMUTEX Mutex);

// Makes a semaphore with Count units, never to have more than Limit. Any IRQL.
NTKERNELAPI VOID NTAPI KeInitializeSemaphore(_Out_ PRKSEMAPHORE Semaphore, _In_ LONG Count,
                                             _In_ LONG Limit);
// Adds units; returns the count before. Beyond the limit it raises STATUS_SEMAPHORE_LIMIT_EXCEEDED,
// which is bug check 0x1E. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI LONG NTAPI
    KeReleaseSemaphore(_Inout_ PRKSEMAPHORE Semaphore, _In_ KPRIORITY Increment,
                       _In_ LONG Adjustment, _In_ BOOLEAN Wait);
// The count. Any IRQL.
NTKERNELAPI LONG NTAPI KeReadStateSemaphore(_In_ PRKSEMAPHORE Semaphore);

// ---- Timers and DPCs
// --------------------------------------------------------------------------------------------

// Makes a timer that is not set. IRQL <= DISPATCH_LEVEL.
NTKERNELAPI VOID NTAPI KeInitializeTimer(_Out_ PKTIMER Timer);
NTKERNELAPI VOID NTAPI KeInitializeTimerEx(_Out_ PKTIMER Timer, _In_ TIMER_TYPE Type);
// Sets the timer, again if it is set: DueTime in units of 100 ns, negative: from now on, else since
// 1601. When due it is signalled and its DPC, if any, queued; with a Period (milliseconds) again
// and again. Returns TRUE when it was set before. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI BOOLEAN NTAPI
    KeSetTimer(_Inout_ PKTIMER Timer, _In_ LARGE_INTEGER DueTime, _In_opt_ PKDPC Dpc);
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI BOOLEAN NTAPI
    KeSetTimerEx(_Inout_ PKTIMER Timer, _In_ LARGE_INTEGER DueTime, _In_ LONG Period,
                 _In_opt_ PKDPC Dpc);
// Unsets it; TRUE when it was set. Its DPC may be queued already: see KeFlushQueuedDpcs. IRQL <=
// DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI BOOLEAN NTAPI KeCancelTimer(_Inout_ PKTIMER Timer);
// TRUE when signalled. Any IRQL.
NTKERNELAPI BOOLEAN NTAPI KeReadStateTimer(_In_ PKTIMER Timer);

// Makes a DPC that is not queued. Any IRQL.
NTKERNELAPI VOID NTAPI KeInitializeDpc(_Out_ PRKDPC Dpc, _In_ PKDEFERRED_ROUTINE DeferredRoutine,
                                       _In_opt_ PVOID DeferredContext);
// Queues it; FALSE when it is queued already. Any IRQL.
NTKERNELAPI BOOLEAN NTAPI KeInsertQueueDpc(_Inout_ PRKDPC Dpc, _In_opt_ PVOID SystemArgument1,
                                           _In_opt_ PVOID SystemArgument2);
// Takes it out of the queue; FALSE when it was not there. Any IRQL.
NTKERNELAPI BOOLEAN NTAPI KeRemoveQueueDpc(_Inout_ PRKDPC Dpc);
// HighImportance goes to the front of the queue. Any IRQL.
NTKERNELAPI VOID NTAPI KeSetImportanceDpc(_Inout_ PRKDPC Dpc, _In_ KDPC_IMPORTANCE Importance);
// Accepted and ignored: there is one DPC queue. Any IRQL.
NTKERNELAPI VOID NTAPI KeSetTargetProcessorDpc(_Inout_ PRKDPC Dpc, _In_ CCHAR Number);
// Returns after all DPCs queued before have run. IRQL PASSIVE_LEVEL; bug check 0x0A otherwise.
_IRQL_requires_max_(PASSIVE_LEVEL) NTKERNELAPI VOID NTAPI KeFlushQueuedDpcs(VOID);

// ---- Waits
// ------------------------------------------------------------------------------------------------------

// Waits until Object (event, mutex, semaphore, timer, thread) is signalled, and takes what it
// gives. Timeout as KeSetTimer's DueTime; NULL: for ever; 0: does not wait. WaitReason, WaitMode,
// Alertable change nothing: there are no APCs. Returns STATUS_SUCCESS, or STATUS_TIMEOUT when the
// time passed first. IRQL <= APC_LEVEL, <= DISPATCH_LEVEL with a Timeout of 0; bug check 0x0A
// otherwise.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    KeWaitForSingleObject(_In_ PVOID Object, _In_ KWAIT_REASON WaitReason,
                          _In_ KPROCESSOR_MODE WaitMode, _In_ BOOLEAN Alertable,
                          _In_opt_ PLARGE_INTEGER Timeout);
#define KeWaitForMutexObject KeWaitForSingleObject
// Waits for one (WaitAny) or all at once (WaitAll) of Count objects. More than THREAD_WAIT_OBJECTS
// need WaitBlockArray, an array of Count blocks that live during the wait; more than
// MAXIMUM_WAIT_OBJECTS, or a missing array, are bug check 0x0C. Returns STATUS_WAIT_0 + the
// object's index (WaitAny), STATUS_SUCCESS (WaitAll), or STATUS_TIMEOUT. IRQL as above.
_IRQL_requires_max_(DISPATCH_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    KeWaitForMultipleObjects(_In_ ULONG Count, _In_reads_(Count) PVOID Object[],
                             _In_ WAIT_TYPE WaitType, _In_ KWAIT_REASON WaitReason,
                             _In_ KPROCESSOR_MODE WaitMode, _In_ BOOLEAN Alertable,
                             _In_opt_ PLARGE_INTEGER Timeout,
                             _Out_opt_ PKWAIT_BLOCK WaitBlockArray);
// Sleeps; Interval as KeSetTimer's DueTime. Returns STATUS_SUCCESS. IRQL <= APC_LEVEL, bug check
// 0x0A otherwise.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    KeDelayExecutionThread(_In_ KPROCESSOR_MODE WaitMode, _In_ BOOLEAN Alertable,
                           _In_ PLARGE_INTEGER Interval);

// ---- Locks
// ------------------------------------------------------------------------------------------------------

// Makes a free spin lock. Any IRQL.
NTKERNELAPI VOID NTAPI KeInitializeSpinLock(_Out_ PKSPIN_LOCK SpinLock);
// Raises to DISPATCH_LEVEL and takes the lock; returns the IRQL before. Bug check 0x0F when the
// thread has the lock already. IRQL <= DISPATCH_LEVEL.
_IRQL_requires_max_(DISPATCH_LEVEL) _IRQL_raises_(DISPATCH_LEVEL) NTKERNELAPI KIRQL NTAPI
    KeAcquireSpinLockRaiseToDpc(_Inout_ PKSPIN_LOCK SpinLock);
#define KeAcquireSpinLock(SpinLock, OldIrql) (*(OldIrql) = KeAcquireSpinLockRaiseToDpc(SpinLock))
// Releases the lock and lowers to NewIrql. Bug check 0x10 when the thread does not have the lock.
// IRQL DISPATCH_LEVEL.
NTKERNELAPI VOID NTAPI KeReleaseSpinLock(_Inout_ PKSPIN_LOCK SpinLock, _In_ KIRQL NewIrql);
// The same without a change of IRQL; IRQL >= DISPATCH_LEVEL, reported as a violation otherwise.
NTKERNELAPI VOID NTAPI KeAcquireSpinLockAtDpcLevel(_Inout_ PKSPIN_LOCK SpinLock);
NTKERNELAPI BOOLEAN NTAPI KeTryToAcquireSpinLockAtDpcLevel(_Inout_ PKSPIN_LOCK SpinLock);
NTKERNELAPI VOID NTAPI KeReleaseSpinLockFromDpcLevel(_Inout_ PKSPIN_LOCK SpinLock);

// Guarded mutexes: not recursive, in a guarded region while owned. Bug check 0xC4 when the owner
// acquires again or somebody else releases. IRQL <= APC_LEVEL.
NTKERNELAPI VOID NTAPI KeInitializeGuardedMutex(_Out_ PKGUARDED_MUTEX Mutex);
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    KeAcquireGuardedMutex(_Inout_ PKGUARDED_MUTEX Mutex);
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI BOOLEAN NTAPI
    KeTryToAcquireGuardedMutex(_Inout_ PKGUARDED_MUTEX Mutex);
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI VOID NTAPI
    KeReleaseGuardedMutex(_Inout_ PKGUARDED_MUTEX Mutex);

// ---- Time and processors
// ----------------------------------------------------------------------------------------

// The time in units of 100 ns since 1601-01-01 UTC. Any IRQL.
NTKERNELAPI VOID NTAPI KeQuerySystemTimePrecise(_Out_ PLARGE_INTEGER CurrentTime);
#define KeQuerySystemTime(CurrentTime) KeQuerySystemTimePrecise(CurrentTime)
// The time since start in units of 100 ns; stores the performance counter's value of the same
// moment. Any IRQL.
NTKERNELAPI ULONG64 NTAPI KeQueryInterruptTimePrecise(_Out_ PULONG64 QpcTimeStamp);
// A monotonic counter and its frequency in Hz (10^7). Any IRQL.
NTKERNELAPI LARGE_INTEGER NTAPI
KeQueryPerformanceCounter(_Out_opt_ PLARGE_INTEGER PerformanceFrequency);
// The units of 100 ns that one tick has. Any IRQL.
NTKERNELAPI ULONG NTAPI KeQueryTimeIncrement(VOID);
// Waits busily. Any IRQL.
NTKERNELAPI VOID NTAPI KeStallExecutionProcessor(_In_ ULONG MicroSeconds);

typedef struct _PROCESSOR_NUMBER {
  USHORT Group;
  UCHAR Number;
  UCHAR Reserved;
} PROCESSOR_NUMBER, *PPROCESSOR_NUMBER;
// The processor that this thread ran on just now. Any IRQL.
NTKERNELAPI ULONG NTAPI KeGetCurrentProcessorNumberEx(_Out_opt_ PPROCESSOR_NUMBER ProcNumber);
FORCEINLINE ULONG KeGetCurrentProcessorNumber(VOID) { return KeGetCurrentProcessorNumberEx(NULL); }
#define ALL_PROCESSOR_GROUPS 0xffff
// How many processors are online. IRQL <= DISPATCH_LEVEL.
NTKERNELAPI ULONG NTAPI KeQueryActiveProcessorCountEx(_In_ USHORT GroupNumber);

// ---- Bug checks
// -------------------------------------------------------------------------------------------------

// Ends the host with one record in its log and report; targets are terminated. Any IRQL. Does not
// return.
NTKERNELAPI DECLSPEC_NORETURN VOID NTAPI KeBugCheck(_In_ ULONG BugCheckCode);
NTKERNELAPI DECLSPEC_NORETURN VOID NTAPI KeBugCheckEx(_In_ ULONG BugCheckCode,
                                                      _In_ ULONG_PTR BugCheckParameter1,
                                                      _In_ ULONG_PTR BugCheckParameter2,
                                                      _In_ ULONG_PTR BugCheckParameter3,
                                                      _In_ ULONG_PTR BugCheckParameter4);

KEBOUND_NT_END

#endif  // KEBOUND_NT_KE_H_
