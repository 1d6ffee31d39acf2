// SPDX-License-Identifier: Apache-2.0
//
// What the suite's cases use of NT, for a program that has libkebound: the facility is the
// library's (ke.h), the rest is the program's own (nt_services.cc). As in the real face; what no
// case uses is left out.
#pragma once

#include "include/kebound/ke.h"

#define VOID void

using HANDLE = PVOID;
using PHANDLE = HANDLE*;
using BOOLEAN = UCHAR;
using LONG = int32_t;
using LONG_PTR = intptr_t;
using ACCESS_MASK = ULONG;
using KPRIORITY = LONG;

inline constexpr BOOLEAN FALSE = 0;
inline constexpr BOOLEAN TRUE = 1;

#define NT_SUCCESS(status) ((status) >= 0)
#define STATUS_TIMEOUT ((NTSTATUS)0x00000102)
#define STATUS_UNSUCCESSFUL ((NTSTATUS)0xC0000001)
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)

union LARGE_INTEGER {
  int64_t QuadPart;
};
using PLARGE_INTEGER = LARGE_INTEGER*;

struct DRIVER_OBJECT {
  PVOID DriverSection;
};

enum EVENT_TYPE { NotificationEvent };
enum KWAIT_REASON { Executive };
enum KPROCESSOR_MODE : UCHAR { KernelMode };
inline constexpr KPRIORITY IO_NO_INCREMENT = 0;
inline constexpr ACCESS_MASK THREAD_ALL_ACCESS = 0x1fffff;

// What can be waited for begins with one.
struct DISPATCHER_HEADER {
  uint32_t SignalState;  // a futex: 1 from the signal on
};
struct KEVENT {
  DISPATCHER_HEADER Header;
};
using PKEVENT = KEVENT*;

using PKSTART_ROUTINE = VOID(NTAPI*)(PVOID);

extern "C" {

VOID NTAPI KeInitializeEvent(PKEVENT Event, EVENT_TYPE Type, BOOLEAN State);
LONG NTAPI KeSetEvent(PKEVENT Event, KPRIORITY Increment, BOOLEAN Wait);
LONG NTAPI KeReadStateEvent(PKEVENT Event);
// Of an event or a thread. Timeout: null, or relative.
NTSTATUS NTAPI KeWaitForSingleObject(PVOID Object, KWAIT_REASON WaitReason,
                                     KPROCESSOR_MODE WaitMode, BOOLEAN Alertable,
                                     PLARGE_INTEGER Timeout);
NTSTATUS NTAPI KeDelayExecutionThread(KPROCESSOR_MODE WaitMode, BOOLEAN Alertable,
                                      PLARGE_INTEGER Interval);

NTSTATUS NTAPI PsCreateSystemThread(PHANDLE ThreadHandle, ULONG DesiredAccess,
                                    PVOID ObjectAttributes, HANDLE ProcessHandle, PVOID ClientId,
                                    PKSTART_ROUTINE StartRoutine, PVOID StartContext);
NTSTATUS NTAPI PsTerminateSystemThread(NTSTATUS ExitStatus);
HANDLE NTAPI PsGetCurrentProcessId(VOID);
HANDLE NTAPI PsGetCurrentThreadId(VOID);
NTSTATUS NTAPI ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK DesiredAccess, PVOID ObjectType,
                                         KPROCESSOR_MODE AccessMode, PVOID* Object,
                                         PVOID HandleInformation);
LONG_PTR NTAPI ObfDereferenceObject(PVOID Object);
NTSTATUS NTAPI ZwClose(HANDLE Handle);
}
#define ObDereferenceObject(Object) ObfDereferenceObject(Object)
