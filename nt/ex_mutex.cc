// SPDX-License-Identifier: Apache-2.0
//
// Fast and guarded mutexes: one algorithm, two ways to keep APCs off.
#include "include/nt/wdm.h"
#include "nt/dispatcher.h"
#include "nt/report.h"

namespace kebound::nt {

namespace {

[[noreturn]] void misuse(FAST_MUTEX* mutex, uint64_t caller, const char* what) {
  raise_bug_check(BugCheckCode::DriverVerifierDetectedViolation, {.p2 = address_of(mutex)}, caller,
                  std::string("the fast mutex at ") + hex(address_of(mutex)) + what);
}

// Count is 1 when free, else 1 minus the number of threads that own it or wait; whoever brings it
// below 0 waits for a release to set the event.
void acquire(FAST_MUTEX* mutex, Thread& thread, uint64_t caller) {
  if (__atomic_load_n(&mutex->Owner, __ATOMIC_RELAXED) == &thread) {
    misuse(mutex, caller, " is acquired by the thread that owns it, which would wait for ever");
  }
  if (__atomic_sub_fetch(&mutex->Count, 1, __ATOMIC_ACQUIRE) < 0) {
    __atomic_fetch_add(&mutex->Contention, 1, __ATOMIC_RELAXED);
    wait_for_object(thread, &mutex->Event);
  }
  __atomic_store_n(&mutex->Owner, static_cast<void*>(&thread), __ATOMIC_RELAXED);
}

bool try_acquire(FAST_MUTEX* mutex, Thread& thread) noexcept {
  LONG free = 1;
  if (!__atomic_compare_exchange_n(&mutex->Count, &free, 0, false, __ATOMIC_ACQUIRE,
                                   __ATOMIC_RELAXED))
    return false;
  __atomic_store_n(&mutex->Owner, static_cast<void*>(&thread), __ATOMIC_RELAXED);
  return true;
}

void release(FAST_MUTEX* mutex, Thread& thread, uint64_t caller) {
  if (__atomic_load_n(&mutex->Owner, __ATOMIC_RELAXED) != &thread) {
    misuse(mutex, caller, " is released by a thread that does not own it");
  }
  __atomic_store_n(&mutex->Owner, static_cast<void*>(nullptr), __ATOMIC_RELAXED);
  if (__atomic_add_fetch(&mutex->Count, 1, __ATOMIC_RELEASE) <= 0)
    KeSetEvent(&mutex->Event, 0, FALSE);
}

void require_apc_level(const Thread& thread, uint64_t caller, const char* routine) {
  if (thread.irql <= APC_LEVEL) return;
  raise_bug_check(BugCheckCode::IrqlNotLessOrEqual, {0, thread.irql, 0, caller}, caller,
                  std::string(routine) + " at IRQL " + std::to_string(thread.irql));
}

}  // namespace

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

VOID ExAcquireFastMutex(PFAST_MUTEX FastMutex) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "ExAcquireFastMutex");
  require_apc_level(thread, caller, "ExAcquireFastMutex");
  const KIRQL before = thread.irql;
  set_irql(thread, APC_LEVEL);
  acquire(FastMutex, thread, caller);
  FastMutex->OldIrql = before;
}

BOOLEAN ExTryToAcquireFastMutex(PFAST_MUTEX FastMutex) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "ExTryToAcquireFastMutex");
  require_apc_level(thread, caller, "ExTryToAcquireFastMutex");
  if (!try_acquire(FastMutex, thread)) return FALSE;
  FastMutex->OldIrql = thread.irql;
  set_irql(thread, APC_LEVEL);
  return TRUE;
}

VOID ExReleaseFastMutex(PFAST_MUTEX FastMutex) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "ExReleaseFastMutex");
  const auto before = static_cast<KIRQL>(FastMutex->OldIrql);
  release(FastMutex, thread, caller);
  set_irql(thread, before);
}

VOID ExAcquireFastMutexUnsafe(PFAST_MUTEX FastMutex) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "ExAcquireFastMutexUnsafe");
  require_apc_level(thread, caller, "ExAcquireFastMutexUnsafe");
  if (thread.irql < APC_LEVEL && thread.kthread.CombinedApcDisable == 0) {
    report_violation(
        "irql", caller,
        "ExAcquireFastMutexUnsafe with APCs enabled: neither APC_LEVEL nor a critical region");
  }
  acquire(FastMutex, thread, caller);
}

VOID ExReleaseFastMutexUnsafe(PFAST_MUTEX FastMutex) {
  const uint64_t caller = KEBOUND_CALLER();
  release(FastMutex, require_thread(caller, "ExReleaseFastMutexUnsafe"), caller);
}

VOID KeInitializeGuardedMutex(PKGUARDED_MUTEX Mutex) { ExInitializeFastMutex(Mutex); }

VOID KeAcquireGuardedMutex(PKGUARDED_MUTEX Mutex) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "KeAcquireGuardedMutex");
  require_apc_level(thread, caller, "KeAcquireGuardedMutex");
  --thread.kthread.SpecialApcDisable;
  acquire(Mutex, thread, caller);
}

BOOLEAN KeTryToAcquireGuardedMutex(PKGUARDED_MUTEX Mutex) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "KeTryToAcquireGuardedMutex");
  require_apc_level(thread, caller, "KeTryToAcquireGuardedMutex");
  if (!try_acquire(Mutex, thread)) return FALSE;
  --thread.kthread.SpecialApcDisable;
  return TRUE;
}

VOID KeReleaseGuardedMutex(PKGUARDED_MUTEX Mutex) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "KeReleaseGuardedMutex");
  release(Mutex, thread, caller);
  ++thread.kthread.SpecialApcDisable;
}

KPROCESSOR_MODE ExGetPreviousMode(VOID) {
  const Thread* thread = current_thread();
  return thread != nullptr ? thread->kthread.PreviousMode
                           : static_cast<KPROCESSOR_MODE>(KernelMode);
}

}  // extern "C"
