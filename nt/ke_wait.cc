// SPDX-License-Identifier: Apache-2.0
#include "include/nt/wdm.h"
#include "nt/clock.h"
#include "nt/dispatcher.h"
#include "nt/report.h"

namespace kebound::nt {

namespace {

NTSTATUS checked_wait(ULONG count, PVOID const* objects, WAIT_TYPE type,
                      const LARGE_INTEGER* timeout, KWAIT_BLOCK* blocks, uint64_t caller,
                      const char* routine) {
  Thread& thread = require_thread(caller, routine);
  const bool poll = timeout != nullptr && timeout->QuadPart == 0;
  if (thread.irql > DISPATCH_LEVEL || (thread.irql == DISPATCH_LEVEL && !poll)) {
    raise_bug_check(BugCheckCode::IrqlNotLessOrEqual,
                    {address_of(objects[0]), thread.irql, 0, caller}, caller,
                    std::string(routine) + " waits at IRQL " + std::to_string(thread.irql));
  }
  const int64_t deadline = timeout == nullptr ? INT64_MAX : deadline_ns(timeout->QuadPart);
  return wait_for_objects(thread, count, objects, type, deadline, poll, blocks);
}

}  // namespace

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

NTSTATUS KeWaitForSingleObject(PVOID Object, KWAIT_REASON, KPROCESSOR_MODE, BOOLEAN,
                               PLARGE_INTEGER Timeout) {
  KWAIT_BLOCK block;
  return checked_wait(1, &Object, WaitAny, Timeout, &block, KEBOUND_CALLER(),
                      "KeWaitForSingleObject");
}

NTSTATUS KeWaitForMultipleObjects(ULONG Count, PVOID Object[], WAIT_TYPE WaitType, KWAIT_REASON,
                                  KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER Timeout,
                                  PKWAIT_BLOCK WaitBlockArray) {
  const uint64_t caller = KEBOUND_CALLER();
  if (Count == 0 || Count > MAXIMUM_WAIT_OBJECTS ||
      (Count > THREAD_WAIT_OBJECTS && WaitBlockArray == nullptr)) {
    raise_bug_check(BugCheckCode::MaximumWaitObjectsExceeded, {.p1 = Count, .p2 = caller}, caller,
                    "KeWaitForMultipleObjects for " + std::to_string(Count) + " objects" +
                        (WaitBlockArray == nullptr ? " without a wait block array" : ""));
  }
  KWAIT_BLOCK own[THREAD_WAIT_OBJECTS];
  KWAIT_BLOCK* blocks = WaitBlockArray != nullptr ? WaitBlockArray : own;
  return checked_wait(Count, Object, WaitType, Timeout, blocks, caller, "KeWaitForMultipleObjects");
}

NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER Interval) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "KeDelayExecutionThread");
  if (thread.irql > APC_LEVEL) {
    raise_bug_check(BugCheckCode::IrqlNotLessOrEqual, {0, thread.irql, 0, caller}, caller,
                    "KeDelayExecutionThread at IRQL " + std::to_string(thread.irql));
  }
  const int64_t deadline = deadline_ns(Interval->QuadPart);
  while (monotonic_ns() < deadline) thread.parker->park(deadline);
  return STATUS_SUCCESS;
}

}  // extern "C"
