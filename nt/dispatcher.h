// SPDX-License-Identifier: Apache-2.0
//
// Dispatcher objects: one lock over all of them, as on older NT kernels. It is never held while a
// thread is parked, while driver code runs, or while a bug check or violation is raised: NT threads
// may be fibers of one host thread.
#pragma once

#include <stdint.h>

#include <mutex>

#include "include/nt/wdm.h"
#include "nt/thread.h"

namespace kebound::nt {

extern std::mutex g_dispatcher_mutex;

class DispatcherLock {
 public:
  // Touches the object first: a driver's bad pointer must fault before the lock is taken.
  explicit DispatcherLock(const volatile void* object) noexcept : lock_(touch(object)) {}
  DispatcherLock() : lock_(g_dispatcher_mutex) {}

 private:
  static std::mutex& touch(const volatile void* object) noexcept {
    static_cast<void>(*static_cast<const volatile unsigned char*>(object));
    return g_dispatcher_mutex;
  }
  std::lock_guard<std::mutex> lock_;
};

void initialize_header(DISPATCHER_HEADER& header, KOBJECTS type, size_t size, LONG state) noexcept;

// The object was signalled: gives it to those who wait, first come first served, and wakes them.
// Lock held.
void satisfy_waiters_locked(DISPATCHER_HEADER& header) noexcept;

// Waits as KeWaitForMultipleObjects does, but checks nothing about the caller. `blocks` has `count`
// elements.
NTSTATUS wait_for_objects(Thread& thread, ULONG count, PVOID const* objects, WAIT_TYPE type,
                          int64_t deadline_ns, bool poll, KWAIT_BLOCK* blocks);
// Waits for one object for ever.
void wait_for_object(Thread& thread, PVOID object);

// The running NT thread; a caller without one, or one whose host gave it no parker, is bug check
// 0xC4.
[[nodiscard]] Thread& require_thread(uint64_t caller, const char* routine);

}  // namespace kebound::nt
