// SPDX-License-Identifier: Apache-2.0
/*
 * What other modules can call. The types are the declarations' of include/nt and kebound_module.h; the kernel wants to
 * see one here, and checks versions by it.
 */
#include <linux/export.h>

#include "kebound_module.h"
#include "driver/driver_module.h"

EXPORT_SYMBOL_GPL(kebound_register_callback);
EXPORT_SYMBOL_GPL(kebound_deregister_callback);
EXPORT_SYMBOL_GPL(kebound_set_index);
EXPORT_SYMBOL_GPL(kebound_bug_check_count);
EXPORT_SYMBOL_GPL(kb_driver_load);
EXPORT_SYMBOL_GPL(kb_driver_unload);

#define NT_ROUTINE(name)    \
	extern void name(void); \
	EXPORT_SYMBOL_GPL(name)

NT_ROUTINE(kebound_driver_fault);
NT_ROUTINE(DbgPrint);
NT_ROUTINE(DbgPrintEx);
NT_ROUTINE(vDbgPrintEx);
NT_ROUTINE(KeAreAllApcsDisabled);
NT_ROUTINE(KeAreApcsDisabled);
NT_ROUTINE(KeBugCheck);
NT_ROUTINE(KeBugCheckEx);
NT_ROUTINE(KeClearEvent);
NT_ROUTINE(KeDelayExecutionThread);
NT_ROUTINE(KeDeregisterBoundCallback);
NT_ROUTINE(KeEnterCriticalRegion);
NT_ROUTINE(KeEnterGuardedRegion);
NT_ROUTINE(KeGetCurrentIrql);
NT_ROUTINE(KeGetCurrentThread);
NT_ROUTINE(KeInitializeEvent);
NT_ROUTINE(KeInitializeMutex);
NT_ROUTINE(KeInitializeSemaphore);
NT_ROUTINE(KeLeaveCriticalRegion);
NT_ROUTINE(KeLeaveGuardedRegion);
NT_ROUTINE(KeLowerIrql);
NT_ROUTINE(KeRaiseIrqlToDpcLevel);
NT_ROUTINE(KeReadStateEvent);
NT_ROUTINE(KeReadStateMutex);
NT_ROUTINE(KeReadStateSemaphore);
NT_ROUTINE(KeRegisterBoundCallback);
NT_ROUTINE(KeReleaseMutex);
NT_ROUTINE(KeReleaseSemaphore);
NT_ROUTINE(KeResetEvent);
NT_ROUTINE(KeSetEvent);
NT_ROUTINE(KeWaitForMultipleObjects);
NT_ROUTINE(KeWaitForSingleObject);
NT_ROUTINE(KfRaiseIrql);
NT_ROUTINE(ObReferenceObjectByHandle);
NT_ROUTINE(ObfDereferenceObject);
NT_ROUTINE(ObfReferenceObject);
NT_ROUTINE(PsCreateSystemThread);
NT_ROUTINE(PsGetCurrentProcessId);
NT_ROUTINE(PsGetCurrentThread);
NT_ROUTINE(PsGetCurrentThreadId);
NT_ROUTINE(PsTerminateSystemThread);
NT_ROUTINE(IoGetCurrentProcess);
NT_ROUTINE(ZwClose);
