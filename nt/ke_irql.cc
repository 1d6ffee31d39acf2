// SPDX-License-Identifier: Apache-2.0
//
// IRQL and critical regions. Off Windows an IRQL masks nothing; it is kept so that a driver's
// mistakes are found.
#include "include/nt/wdm.h"
#include "nt/report.h"
#include "nt/thread.h"

namespace kebound::nt {

namespace {

KIRQL raise(KIRQL to, uint64_t caller, const char* routine) {
  Thread* const thread = current_thread();
  if (thread == nullptr) return PASSIVE_LEVEL;
  const KIRQL before = thread->irql;
  if (to < before || to > HIGH_LEVEL) {
    raise_bug_check(BugCheckCode::IrqlNotLessOrEqual, {to, before, 0, caller}, caller,
                    std::string(routine) + " raises the IRQL from " + std::to_string(before) +
                        " to " + std::to_string(to));
  }
  set_irql(*thread, to);
  return before;
}

void change_apc_disable(SHORT KTHREAD::*counter, SHORT change, uint64_t caller,
                        const char* routine) {
  Thread* const thread = current_thread();
  if (thread == nullptr) return;
  if (thread->irql > APC_LEVEL) {
    report_violation("irql", caller,
                     std::string(routine) + " at IRQL " + std::to_string(thread->irql));
  }
  SHORT& value = thread->kthread.*counter;
  if (change > 0 && value >= 0) {
    report_violation("critical-region", caller, std::string(routine) + " without a matching enter");
    return;
  }
  value = static_cast<SHORT>(value + change);
}

}  // namespace

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

KIRQL KeGetCurrentIrql(VOID) {
  const Thread* thread = current_thread();
  return thread != nullptr ? thread->irql : KIRQL{PASSIVE_LEVEL};
}

KIRQL KfRaiseIrql(KIRQL NewIrql) { return raise(NewIrql, KEBOUND_CALLER(), "KeRaiseIrql"); }

KIRQL KeRaiseIrqlToDpcLevel(VOID) {
  return raise(DISPATCH_LEVEL, KEBOUND_CALLER(), "KeRaiseIrqlToDpcLevel");
}

VOID KeLowerIrql(KIRQL NewIrql) {
  Thread* const thread = current_thread();
  if (thread == nullptr) return;
  if (NewIrql > thread->irql) {
    const uint64_t caller = KEBOUND_CALLER();
    raise_bug_check(BugCheckCode::IrqlNotLessOrEqual, {NewIrql, thread->irql, 0, caller}, caller,
                    "KeLowerIrql raises the IRQL from " + std::to_string(thread->irql) + " to " +
                        std::to_string(NewIrql));
  }
  set_irql(*thread, NewIrql);
}

VOID KeEnterCriticalRegion(VOID) {
  change_apc_disable(&KTHREAD::KernelApcDisable, -1, KEBOUND_CALLER(), "KeEnterCriticalRegion");
}

VOID KeLeaveCriticalRegion(VOID) {
  change_apc_disable(&KTHREAD::KernelApcDisable, 1, KEBOUND_CALLER(), "KeLeaveCriticalRegion");
}

VOID KeEnterGuardedRegion(VOID) {
  change_apc_disable(&KTHREAD::SpecialApcDisable, -1, KEBOUND_CALLER(), "KeEnterGuardedRegion");
}

VOID KeLeaveGuardedRegion(VOID) {
  change_apc_disable(&KTHREAD::SpecialApcDisable, 1, KEBOUND_CALLER(), "KeLeaveGuardedRegion");
}

BOOLEAN KeAreApcsDisabled(VOID) {
  const Thread* thread = current_thread();
  return thread != nullptr && (thread->irql >= APC_LEVEL || thread->kthread.CombinedApcDisable != 0)
             ? TRUE
             : FALSE;
}

BOOLEAN KeAreAllApcsDisabled(VOID) {
  const Thread* thread = current_thread();
  return thread != nullptr && (thread->irql >= APC_LEVEL || thread->kthread.SpecialApcDisable != 0)
             ? TRUE
             : FALSE;
}

}  // extern "C"
