// SPDX-License-Identifier: Apache-2.0
//
// Processes, system threads and the handles of threads.
#ifndef KEBOUND_NT_PS_H_
#define KEBOUND_NT_PS_H_

#include "ke.h"
#include "x64.h"

KEBOUND_NT_BEGIN

typedef VOID(NTAPI KSTART_ROUTINE)(PVOID StartContext);
typedef KSTART_ROUTINE* PKSTART_ROUTINE;

// Inside a bound callback: the Linux pid (tid) of the thread that took the exception; elsewhere
// those of the running host thread. Any IRQL.
NTKERNELAPI HANDLE NTAPI PsGetCurrentProcessId(VOID);
NTKERNELAPI HANDLE NTAPI PsGetCurrentThreadId(VOID);
// The running thread, as KeGetCurrentThread. Any IRQL.
NTKERNELAPI PETHREAD NTAPI PsGetCurrentThread(VOID);
// The process object of the running thread: opaque, to be compared only. Any IRQL.
NTKERNELAPI PEPROCESS NTAPI IoGetCurrentProcess(VOID);
#define PsGetCurrentProcess() IoGetCurrentProcess()

// Starts a thread of the host that runs StartRoutine at PASSIVE_LEVEL. ThreadHandle wants a
// ZwClose; the thread object can be waited for (ObReferenceObjectByHandle). It must end before its
// driver unloads. STATUS_SUCCESS; STATUS_INVALID_PARAMETER: no routine or no place for the handle;
// STATUS_INSUFFICIENT_RESOURCES. IRQL PASSIVE_LEVEL.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    PsCreateSystemThread(_Out_ PHANDLE ThreadHandle, _In_ ULONG DesiredAccess,
                         _In_opt_ POBJECT_ATTRIBUTES ObjectAttributes,
                         _In_opt_ HANDLE ProcessHandle, _Out_opt_ PCLIENT_ID ClientId,
                         _In_ PKSTART_ROUTINE StartRoutine, _In_opt_ PVOID StartContext);
// Ends the calling system thread (a return from StartRoutine does the same);
// STATUS_INVALID_PARAMETER on another thread. Automatic objects of C++ frames are not destroyed.
// IRQL PASSIVE_LEVEL.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    PsTerminateSystemThread(_In_ NTSTATUS ExitStatus);

#ifdef _WIN32
extern DECLSPEC_IMPORT POBJECT_TYPE* PsThreadType;
#else
extern POBJECT_TYPE* PsThreadType;
#endif

// The object behind a thread's handle, with a reference that wants ObDereferenceObject. ObjectType
// NULL or *PsThreadType. STATUS_SUCCESS; STATUS_INVALID_HANDLE; STATUS_OBJECT_TYPE_MISMATCH. IRQL
// PASSIVE_LEVEL.
_IRQL_requires_max_(PASSIVE_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    ObReferenceObjectByHandle(_In_ HANDLE Handle, _In_ ACCESS_MASK DesiredAccess,
                              _In_opt_ POBJECT_TYPE ObjectType, _In_ KPROCESSOR_MODE AccessMode,
                              _Out_ PVOID* Object, _Out_opt_ PVOID HandleInformation);
// Adds (drops) a reference; returns how many there are. Objects that are not system threads are not
// counted: 1. IRQL <= DISPATCH_LEVEL.
NTKERNELAPI LONG_PTR NTAPI ObfReferenceObject(_In_ PVOID Object);
NTKERNELAPI LONG_PTR NTAPI ObfDereferenceObject(_In_ PVOID Object);
#define ObReferenceObject(Object) ObfReferenceObject(Object)
#define ObDereferenceObject(Object) ObfDereferenceObject(Object)
// Closes a handle. STATUS_SUCCESS; STATUS_INVALID_HANDLE. IRQL PASSIVE_LEVEL.
_IRQL_requires_max_(PASSIVE_LEVEL) NTSYSAPI NTSTATUS NTAPI ZwClose(_In_ HANDLE Handle);

KEBOUND_NT_END

#endif  // KEBOUND_NT_PS_H_
