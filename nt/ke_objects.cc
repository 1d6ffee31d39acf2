// SPDX-License-Identifier: Apache-2.0
//
// Events, mutexes, semaphores.
#include "include/nt/wdm.h"
#include "nt/dispatcher.h"
#include "nt/report.h"

using namespace kebound::nt;

extern "C" {

VOID KeInitializeEvent(PRKEVENT Event, EVENT_TYPE Type, BOOLEAN State) {
  initialize_header(
      Event->Header,
      Type == NotificationEvent ? EventNotificationObject : EventSynchronizationObject,
      sizeof *Event, State != FALSE ? 1 : 0);
}

LONG KeSetEvent(PRKEVENT Event, KPRIORITY, BOOLEAN) {
  const DispatcherLock lock(Event);
  const LONG before = Event->Header.SignalState;
  Event->Header.SignalState = 1;
  satisfy_waiters_locked(Event->Header);
  return before;
}

LONG KeResetEvent(PRKEVENT Event) {
  const DispatcherLock lock(Event);
  const LONG before = Event->Header.SignalState;
  Event->Header.SignalState = 0;
  return before;
}

VOID KeClearEvent(PRKEVENT Event) { KeResetEvent(Event); }

LONG KeReadStateEvent(PRKEVENT Event) {
  const DispatcherLock lock(Event);
  return Event->Header.SignalState;
}

VOID KeInitializeMutex(PRKMUTEX Mutex, ULONG) {
  initialize_header(Mutex->Header, MutantObject, sizeof *Mutex, 1);
  InitializeListHead(&Mutex->MutantListEntry);
  Mutex->OwnerThread = nullptr;
  Mutex->Abandoned = FALSE;
  Mutex->ApcDisable = 1;
}

LONG KeReleaseMutex(PRKMUTEX Mutex, BOOLEAN) {
  Thread& thread = require_thread(KEBOUND_CALLER(), "KeReleaseMutex");
  {
    const DispatcherLock lock(Mutex);
    if (Mutex->OwnerThread == &thread.kthread) {
      const LONG before = Mutex->Header.SignalState;
      if (++Mutex->Header.SignalState == 1) {
        Mutex->OwnerThread = nullptr;
        --thread.held_mutexes;
        thread.kthread.KernelApcDisable =
            static_cast<SHORT>(thread.kthread.KernelApcDisable + Mutex->ApcDisable);
        satisfy_waiters_locked(Mutex->Header);
      }
      return before;
    }
  }
  raise_status(STATUS_MUTANT_NOT_OWNED, KEBOUND_CALLER(),
               "KeReleaseMutex by a thread that does not own the mutex");
}

LONG KeReadStateMutex(PRKMUTEX Mutex) {
  const DispatcherLock lock(Mutex);
  return Mutex->Header.SignalState;
}

VOID KeInitializeSemaphore(PRKSEMAPHORE Semaphore, LONG Count, LONG Limit) {
  initialize_header(Semaphore->Header, SemaphoreObject, sizeof *Semaphore, Count);
  Semaphore->Limit = Limit;
}

LONG KeReleaseSemaphore(PRKSEMAPHORE Semaphore, KPRIORITY, LONG Adjustment, BOOLEAN) {
  {
    const DispatcherLock lock(Semaphore);
    const LONG before = Semaphore->Header.SignalState;
    LONG after = 0;
    if (Adjustment > 0 && !__builtin_add_overflow(before, Adjustment, &after) &&
        after <= Semaphore->Limit) {
      Semaphore->Header.SignalState = after;
      satisfy_waiters_locked(Semaphore->Header);
      return before;
    }
  }
  raise_status(STATUS_SEMAPHORE_LIMIT_EXCEEDED, KEBOUND_CALLER(),
               "KeReleaseSemaphore beyond the semaphore's limit");
}

LONG KeReadStateSemaphore(PRKSEMAPHORE Semaphore) {
  const DispatcherLock lock(Semaphore);
  return Semaphore->Header.SignalState;
}

}  // extern "C"
