// SPDX-License-Identifier: Apache-2.0
//
// Objects that threads wait for, and their companions. Layouts are x64 NT's; a driver treats them
// as opaque and allocates them itself (nonpaged), so their sizes are part of the interface.
#ifndef KEBOUND_NT_DISPATCHER_H_
#define KEBOUND_NT_DISPATCHER_H_

#include "types.h"

KEBOUND_NT_BEGIN

typedef enum _KOBJECTS {
  EventNotificationObject = 0,
  EventSynchronizationObject = 1,
  MutantObject = 2,
  ProcessObject = 3,
  QueueObject = 4,
  SemaphoreObject = 5,
  ThreadObject = 6,
  GateObject = 7,
  TimerNotificationObject = 8,
  TimerSynchronizationObject = 9,
} KOBJECTS;
typedef enum _EVENT_TYPE { NotificationEvent, SynchronizationEvent } EVENT_TYPE;
typedef enum _TIMER_TYPE { NotificationTimer, SynchronizationTimer } TIMER_TYPE;
typedef enum _WAIT_TYPE { WaitAll, WaitAny } WAIT_TYPE;
typedef enum _KWAIT_REASON {
  Executive,
  FreePage,
  PageIn,
  PoolAllocation,
  DelayExecution,
  Suspended,
  UserRequest,
} KWAIT_REASON;

typedef struct _DISPATCHER_HEADER {
  UCHAR Type;  // KOBJECTS
  UCHAR Signalling;
  UCHAR Size;  // of the object in 32-bit words
  UCHAR Reserved1;
  LONG SignalState;  // > 0: signalled
  LIST_ENTRY WaitListHead;
} DISPATCHER_HEADER, *PDISPATCHER_HEADER;

typedef struct _KEVENT {
  DISPATCHER_HEADER Header;
} KEVENT, *PKEVENT, *PRKEVENT;

typedef struct _KSEMAPHORE {
  DISPATCHER_HEADER Header;
  LONG Limit;
} KSEMAPHORE, *PKSEMAPHORE, *PRKSEMAPHORE;

typedef struct _KMUTANT {
  DISPATCHER_HEADER Header;
  LIST_ENTRY MutantListEntry;
  struct _KTHREAD* OwnerThread;
  BOOLEAN Abandoned;
  UCHAR ApcDisable;
} KMUTANT, *PKMUTANT, *PRKMUTANT, KMUTEX, *PKMUTEX, *PRKMUTEX;

struct _KDPC;
// Runs at DISPATCH_LEVEL on kebound's DPC thread; must not wait.
typedef VOID(NTAPI KDEFERRED_ROUTINE)(struct _KDPC* Dpc, PVOID DeferredContext,
                                      PVOID SystemArgument1, PVOID SystemArgument2);
typedef KDEFERRED_ROUTINE* PKDEFERRED_ROUTINE;

typedef struct _KDPC {
  UCHAR Type;
  UCHAR Importance;
  USHORT Number;
  SINGLE_LIST_ENTRY DpcListEntry;
  KAFFINITY ProcessorHistory;
  PKDEFERRED_ROUTINE DeferredRoutine;
  PVOID DeferredContext;
  PVOID SystemArgument1;
  PVOID SystemArgument2;
  PVOID DpcData;  // not NULL while queued
} KDPC, *PKDPC, *PRKDPC;
typedef enum _KDPC_IMPORTANCE {
  LowImportance,
  MediumImportance,
  HighImportance,
  MediumHighImportance
} KDPC_IMPORTANCE;

typedef struct _KTIMER {
  DISPATCHER_HEADER Header;
  ULARGE_INTEGER DueTime;
  LIST_ENTRY TimerListEntry;
  struct _KDPC* Dpc;
  USHORT Processor;
  USHORT TimerType;
  ULONG Period;  // milliseconds, 0: once
} KTIMER, *PKTIMER, *PRKTIMER;

// Space for a wait on more than THREAD_WAIT_OBJECTS objects, supplied by the caller.
typedef struct _KWAIT_BLOCK {
  LIST_ENTRY WaitListEntry;
  UCHAR WaitType;
  UCHAR BlockState;
  USHORT WaitKey;
  LONG SpareLong;
  struct _KTHREAD* Thread;
  PVOID Object;
  PVOID SparePtr;
} KWAIT_BLOCK, *PKWAIT_BLOCK, *PRKWAIT_BLOCK;
#define THREAD_WAIT_OBJECTS 3
#define MAXIMUM_WAIT_OBJECTS 64

typedef ULONG_PTR KSPIN_LOCK, *PKSPIN_LOCK;

typedef struct _FAST_MUTEX {
  LONG Count;  // 1: free
  PVOID Owner;
  ULONG Contention;
  KEVENT Event;
  ULONG OldIrql;
} FAST_MUTEX, *PFAST_MUTEX, KGUARDED_MUTEX, *PKGUARDED_MUTEX;
#define FM_LOCK_BIT 0x1

// Keeps an object from going away while it is in use; see ExAcquireRundownProtection.
typedef struct _EX_RUNDOWN_REF {
  union {
    ULONG_PTR Count;
    PVOID Ptr;
  };
} EX_RUNDOWN_REF, *PEX_RUNDOWN_REF;

C_ASSERT(sizeof(DISPATCHER_HEADER) == 0x18 && sizeof(KEVENT) == 0x18);
C_ASSERT(sizeof(KSEMAPHORE) == 0x20 && sizeof(KMUTANT) == 0x38);
C_ASSERT(sizeof(KDPC) == 0x40 && sizeof(KTIMER) == 0x40);
C_ASSERT(sizeof(KWAIT_BLOCK) == 0x30 && sizeof(FAST_MUTEX) == 0x38);

KEBOUND_NT_END

#endif  // KEBOUND_NT_DISPATCHER_H_
