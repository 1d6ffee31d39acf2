// SPDX-License-Identifier: Apache-2.0
//
// A thread as the NT face sees it: whatever runs driver code. The host makes one for each thread of
// execution (a supervisor's fiber, a system thread, the thread that calls DriverEntry) and says which one runs.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/registry.h"
#include "include/nt/wdm.h"

namespace kebound {
struct BoundEvent;
}

namespace kebound::nt {

// How a thread of execution blocks. A host whose threads are fibers parks the fiber.
class Parker {
 public:
  // Blocks the calling thread of execution until unpark() or until CLOCK_MONOTONIC reaches deadline_ns
  // (INT64_MAX: never). An unpark() that came first makes the next park() return at once. May return early.
  virtual void park(int64_t deadline_ns) noexcept = 0;
  // Context: any thread, not a signal handler.
  virtual void unpark() noexcept = 0;

 protected:
  ~Parker() = default;
};

struct Thread {
  KTHREAD kthread{};                 // first: gs:[0x188] points to it; TrapFrame at 0x90
  Parker* parker = nullptr;
  const BoundEvent* event = nullptr;  // of the exception this thread handles, null outside a callback
  uint64_t client_pid = 0;            // what PsGetCurrentProcessId/ThreadId answer
  uint64_t client_tid = 0;
  KIRQL irql = 0;
  DispatchContext dispatch_context;
};
static_assert(offsetof(Thread, kthread) == 0);

// Gives the calling host thread a KPCR of its own and points gs at it. Once per host thread, before
// enter_thread(). x86-64; uses wrgsbase where the kernel allows it, else arch_prctl.
void adopt_host_thread() noexcept;
// From now on the calling host thread runs this NT thread (a fiber switch is one store).
void enter_thread(Thread* thread) noexcept;
[[nodiscard]] Thread* current_thread() noexcept;

}  // namespace kebound::nt
