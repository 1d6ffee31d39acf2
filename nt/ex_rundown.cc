// SPDX-License-Identifier: Apache-2.0
//
// Rundown protection: Count is twice the number of uses, or, once somebody waits for their end, the
// address of his wait block with bit 0 set.
#include "include/nt/wdm.h"
#include "nt/dispatcher.h"
#include "nt/report.h"

namespace kebound::nt {

namespace {

constexpr ULONG_PTR kRundownActive = 1;
constexpr ULONG_PTR kOneUse = 2;

struct RundownWait {
  ULONG_PTR uses;
  KEVENT event;
};

}  // namespace

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

VOID ExInitializeRundownProtection(PEX_RUNDOWN_REF RunRef) {
  __atomic_store_n(&RunRef->Count, 0, __ATOMIC_RELAXED);
}

BOOLEAN ExAcquireRundownProtection(PEX_RUNDOWN_REF RunRef) {
  ULONG_PTR count = __atomic_load_n(&RunRef->Count, __ATOMIC_RELAXED);
  do {
    if ((count & kRundownActive) != 0) return FALSE;
  } while (!__atomic_compare_exchange_n(&RunRef->Count, &count, count + kOneUse, true,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
  return TRUE;
}

VOID ExReleaseRundownProtection(PEX_RUNDOWN_REF RunRef) {
  ULONG_PTR count = __atomic_load_n(&RunRef->Count, __ATOMIC_ACQUIRE);
  while ((count & kRundownActive) == 0) {
    if (count < kOneUse) {
      const uint64_t caller = KEBOUND_CALLER();
      raise_bug_check(BugCheckCode::DriverVerifierDetectedViolation, {.p2 = address_of(RunRef)},
                      caller, "ExReleaseRundownProtection without a matching acquire");
    }
    if (__atomic_compare_exchange_n(&RunRef->Count, &count, count - kOneUse, true, __ATOMIC_RELEASE,
                                    __ATOMIC_ACQUIRE)) {
      return;
    }
  }
  auto* wait = reinterpret_cast<RundownWait*>(count & ~kRundownActive);
  if (wait != nullptr && __atomic_sub_fetch(&wait->uses, 1, __ATOMIC_ACQ_REL) == 0)
    KeSetEvent(&wait->event, 0, FALSE);
}

VOID ExWaitForRundownProtectionRelease(PEX_RUNDOWN_REF RunRef) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "ExWaitForRundownProtectionRelease");
  if (thread.irql > APC_LEVEL) {
    raise_bug_check(BugCheckCode::IrqlNotLessOrEqual, {0, thread.irql, 0, caller}, caller,
                    "ExWaitForRundownProtectionRelease at IRQL " + std::to_string(thread.irql));
  }
  RundownWait wait;
  KeInitializeEvent(&wait.event, NotificationEvent, FALSE);
  ULONG_PTR count = __atomic_load_n(&RunRef->Count, __ATOMIC_RELAXED);
  ULONG_PTR uses = 0;
  do {
    if ((count & kRundownActive) != 0) return;  // run down already
    uses = count / kOneUse;
    wait.uses = uses;  // from the exchange on it is the releasing threads' to change
    const ULONG_PTR next =
        uses == 0 ? kRundownActive : (reinterpret_cast<ULONG_PTR>(&wait) | kRundownActive);
    if (__atomic_compare_exchange_n(&RunRef->Count, &count, next, true, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED))
      break;
  } while (true);
  if (uses == 0) return;
  wait_for_object(thread, &wait.event);
  __atomic_store_n(&RunRef->Count, kRundownActive, __ATOMIC_RELEASE);
}

}  // extern "C"
