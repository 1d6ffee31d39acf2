// SPDX-License-Identifier: Apache-2.0
//
// What comes into the kernel, by vector. To put kebound into a kernel is to call on_user_check()
// for 5 and 6 of user mode, and on_kernel_exception() for those of its own.
#include "hosts/bare/bound.h"
#include "hosts/bare/machine.h"
#include "hosts/bare/process.h"
#include "hosts/bare/threads.h"

namespace kebound::bare {

namespace {

void on_user_exception(Frame& frame) noexcept {
  switch (frame.vector) {
    case kVectorBound:
    case kVectorInvalidOpcode:
      if (on_user_check(frame) == Resumption::Resumed) return;
      break;
    default:
      break;
  }
  deliver_exception(frame);
}

void on_user(Frame& frame) noexcept {
  const Process& process = *running_thread().process;
  if (frame.vector < kFirstInterrupt || frame.vector >= kLastInterrupt) {
    __asm__ volatile("sti" : : : "memory");
    if (frame.vector == kVectorSystemCall) {
      on_system_call(frame);
    } else if (frame.vector >= kFirstReport && frame.vector <= kLastReport &&
               process.on_report != nullptr) {
      process.on_report(frame);
    } else {
      on_user_exception(frame);
    }
    __asm__ volatile("cli" : : : "memory");
  }
  if (process.ending != Ending::Alive) end_thread();
}

}  // namespace

extern "C" void on_trap(Frame* frame) noexcept {
  const bool is_interrupt = frame->vector >= kFirstInterrupt && frame->vector < kLastInterrupt;
  if (frame->vector == kVectorTimer) {
    on_timer();
  } else if (!frame->from_user() && !is_interrupt) {
    return on_kernel_exception(*frame);
  }
  if (frame->from_user()) on_user(*frame);
}

}  // namespace kebound::bare
