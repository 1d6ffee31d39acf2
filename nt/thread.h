// SPDX-License-Identifier: Apache-2.0
//
// A thread as the NT face sees it: whatever runs driver code. The host makes one for each thread of
// execution (a supervisor's fiber, a system thread, the thread that calls DriverEntry) and says
// which one runs.
#pragma once

#include <stdint.h>

#include <optional>

#include "core/atomic.h"
#include "core/registry.h"
#include "include/nt/wdm.h"

namespace kebound {
struct BoundEvent;
}

namespace kebound::nt {

struct Image;

// How a thread of execution blocks. A host whose threads are fibers parks the fiber.
class Parker {
 public:
  // Blocks the calling thread of execution until unpark() or until CLOCK_MONOTONIC reaches
  // deadline_ns (INT64_MAX: never). An unpark() that came first makes the next park() return at
  // once. May return early.
  virtual void park(int64_t deadline_ns) noexcept = 0;
  // Context: any thread, not a signal handler.
  virtual void unpark() noexcept = 0;

 protected:
  ~Parker() = default;
};

struct Thread {
  KTHREAD kthread{};  // first: gs:[0x188] points to it; TrapFrame at 0x90
  Parker* parker = nullptr;
  bool is_system_thread = false;  // made by PsCreateSystemThread
  // Of the exception that this thread handles, null outside a callback.
  const BoundEvent* event = nullptr;
  // What the host has to say to its built-in driver about it (hosts/driver/policy.h), null if
  // nothing.
  void* advice = nullptr;
  // What the callback wants the index of `event` to be where the frame has no place for it: in
  // R12..R15 or in memory. An edit like one of the frame.
  std::optional<int64_t> corrected_index;
  uint64_t client_pid = 0;  // what PsGetCurrentProcessId/ThreadId answer
  uint64_t client_tid = 0;
  KIRQL irql = 0;
  uint32_t held_mutexes = 0;        // KMUTEXes this thread owns
  Atomic<const Image*> inside{};    // the driver whose code runs on this thread; see ScopedInside
  Thread* next_attached = nullptr;  // the facility's list
  DispatchContext dispatch_context;
};
// What KeGetCurrentThread() returns is the Thread's first member.
static_assert(__builtin_offsetof(Thread, kthread) == 0);

// Marks that the thread runs code of a driver: output and violations are put down to it, and the
// image is not unmapped meanwhile. Nests.
class ScopedInside {
 public:
  ScopedInside(Thread& thread, const Image* image) noexcept
      : thread_(thread), before_(thread.inside.load(MemoryOrder::Relaxed)) {
    thread_.inside.store(image, MemoryOrder::Release);
  }
  ScopedInside(const ScopedInside&) = delete;
  ScopedInside& operator=(const ScopedInside&) = delete;
  // Release pairs with the acquire in remove_image(): the driver's code is behind us.
  ~ScopedInside() { thread_.inside.store(before_, MemoryOrder::Release); }

 private:
  Thread& thread_;
  const Image* before_;
};

// Gives the calling host thread a KPCR of its own and points gs at it. Once per host thread, before
// enter_thread(). x86-64; uses wrgsbase where the kernel allows it, else arch_prctl.
void adopt_host_thread() noexcept;
// From now on the calling host thread runs this NT thread (a fiber switch is two stores); null:
// none.
void enter_thread(Thread* thread) noexcept;
// Null on a host thread that was not adopted, or that runs none.
[[nodiscard]] Thread* current_thread() noexcept;
// Sets the thread's IRQL, in the KPCR too when it is the running one.
void set_irql(Thread& thread, KIRQL irql) noexcept;

}  // namespace kebound::nt
