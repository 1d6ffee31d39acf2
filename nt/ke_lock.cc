// SPDX-License-Identifier: Apache-2.0
//
// Spin locks and guarded mutexes. A spin lock's value is its owner, so that misuse is found.
#include <sched.h>

#include "include/nt/wdm.h"
#include "nt/report.h"
#include "nt/thread.h"

namespace kebound::nt {

namespace {

[[nodiscard]] KSPIN_LOCK self_as_owner() noexcept {
  // A host thread without an NT thread owns as "1"; no Thread is at that address.
  const Thread* thread = current_thread();
  return thread != nullptr ? reinterpret_cast<KSPIN_LOCK>(thread) : 1;
}

[[nodiscard]] bool try_acquire(KSPIN_LOCK* lock, KSPIN_LOCK owner, KSPIN_LOCK& found) noexcept {
  found = 0;
  // Acquire pairs with release()'s store.
  return __atomic_compare_exchange_n(lock, &found, owner, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED);
}

void acquire(KSPIN_LOCK* lock, uint64_t caller) {
  const KSPIN_LOCK owner = self_as_owner();
  constexpr unsigned kSpinsBeforeYield =
      256;  // the holder may have lost its processor: this is no kernel
  KSPIN_LOCK found = 0;
  for (unsigned spins = 0; !try_acquire(lock, owner, found); ++spins) {
    if (found == owner) {
      raise_bug_check(BugCheckCode::SpinLockAlreadyOwned, {.p1 = address_of(lock)}, caller,
                      "the thread acquires the spin lock at " + hex(address_of(lock)) +
                          ", which it holds already");
    }
    if (spins % kSpinsBeforeYield == kSpinsBeforeYield - 1) {
      sched_yield();
    } else {
      YieldProcessor();
    }
  }
}

void release(KSPIN_LOCK* lock, uint64_t caller) {
  if (__atomic_load_n(lock, __ATOMIC_RELAXED) != self_as_owner()) {
    raise_bug_check(BugCheckCode::SpinLockNotOwned, {.p1 = address_of(lock)}, caller,
                    "the thread releases the spin lock at " + hex(address_of(lock)) +
                        ", which it does not hold");
  }
  __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

void expect_dispatch_level(uint64_t caller, const char* routine) {
  const KIRQL irql = KeGetCurrentIrql();
  if (irql >= DISPATCH_LEVEL) return;
  report_violation(
      "irql", caller,
      std::string(routine) + " at IRQL " + std::to_string(irql) + "; it needs DISPATCH_LEVEL");
}

}  // namespace

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

VOID KeInitializeSpinLock(PKSPIN_LOCK SpinLock) { __atomic_store_n(SpinLock, 0, __ATOMIC_RELAXED); }

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock) {
  const KIRQL before = KeRaiseIrqlToDpcLevel();
  acquire(SpinLock, KEBOUND_CALLER());
  return before;
}

VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql) {
  release(SpinLock, KEBOUND_CALLER());
  KeLowerIrql(NewIrql);
}

VOID KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock) {
  expect_dispatch_level(KEBOUND_CALLER(), "KeAcquireSpinLockAtDpcLevel");
  acquire(SpinLock, KEBOUND_CALLER());
}

BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK SpinLock) {
  expect_dispatch_level(KEBOUND_CALLER(), "KeTryToAcquireSpinLockAtDpcLevel");
  KSPIN_LOCK found = 0;
  return try_acquire(SpinLock, self_as_owner(), found) ? TRUE : FALSE;
}

VOID KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK SpinLock) {
  expect_dispatch_level(KEBOUND_CALLER(), "KeReleaseSpinLockFromDpcLevel");
  release(SpinLock, KEBOUND_CALLER());
}

}  // extern "C"
