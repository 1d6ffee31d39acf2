// SPDX-License-Identifier: Apache-2.0
//
// The facility itself.
#ifndef KEBOUND_NT_BOUND_H_
#define KEBOUND_NT_BOUND_H_

#include "sal.h"
#include "status.h"
#include "types.h"

KEBOUND_NT_BEGIN

// What a bound callback answers. Any other value is bug check 0x7F, parameter 5.
typedef enum _BOUND_CALLBACK_STATUS {
  BoundExceptionContinueSearch,  // not mine: ask the next callback, at last the user's own handler
  BoundExceptionHandled,         // resume with the trap frame as I left it
  BoundExceptionError,           // terminate the process at once
  BoundExceptionMaximum
} BOUND_CALLBACK_STATUS,
    *PBOUND_CALLBACK_STATUS;

// Called on the faulting thread at PASSIVE_LEVEL in a critical region; on several threads at once.
// It may wait. Must return at the IRQL that it was called at. The user's registers are in
// KeGetCurrentThread()'s trap frame; the saved instruction pointer is that of the failing
// instruction.
typedef _Function_class_(BOUND_CALLBACK) _IRQL_requires_same_
    BOUND_CALLBACK_STATUS(NTAPI BOUND_CALLBACK)(VOID);
typedef BOUND_CALLBACK* PBOUND_CALLBACK;

// Adds a callback, which is asked before all that are registered already. The same routine may be
// added again and gets a handle of its own. Returns an opaque handle for KeDeregisterBoundCallback,
// or NULL: the routine is NULL or not in the executable memory of a loaded driver; no slot is free
// (64, one in the windows profile); in the windows profile the driver's loader entry lacks flag
// 0x20; called above APC_LEVEL (reported as a violation). Context: any NT thread, also inside a
// callback. IRQL <= APC_LEVEL. Does not wait.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI PVOID NTAPI
    KeRegisterBoundCallback(_In_ PBOUND_CALLBACK CallbackRoutine);

// Removes a registration and waits until no invocation of it runs; other registrations are not
// waited for. Returns STATUS_SUCCESS when it was removed and none runs or will start (called from
// inside the callback itself: none on other threads); STATUS_INVALID_HANDLE when the handle names
// no live registration: NULL, garbage, removed before, or another caller was first;
// STATUS_UNSUCCESSFUL when called above APC_LEVEL (reported as a violation; the registration
// stays). Context: any NT thread, also inside a callback. IRQL <= APC_LEVEL. May wait.
_IRQL_requires_max_(APC_LEVEL) NTKERNELAPI NTSTATUS NTAPI
    KeDeregisterBoundCallback(_In_ PVOID Handle);

C_ASSERT(BoundExceptionContinueSearch == 0 && BoundExceptionHandled == 1);
C_ASSERT(BoundExceptionError == 2 && BoundExceptionMaximum == 3);

KEBOUND_NT_END

#endif  // KEBOUND_NT_BOUND_H_
