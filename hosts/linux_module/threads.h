// SPDX-License-Identifier: Apache-2.0
//
// NT threads on Linux tasks. A task is an NT thread while it runs driver code: from its bound exception
// until it is back in user mode, during DriverEntry and DriverUnload, and all the time for system
// threads.
#pragma once

#include <stdint.h>

#include "core/livelock.h"
#include "hosts/linux_module/kernel.h"
#include "nt/facility.h"
#include "nt/thread.h"
#include "trap/bound_event.h"
#include "trap/x86/registers.h"
#include "trap/x86/resume.h"

namespace kebound::linux_module {

class TaskParker final : public nt::Parker {
 public:
  void park(int64_t deadline_ns) noexcept override { kb_park(&parker_, deadline_ns); }
  void unpark() noexcept override { kb_unpark(&parker_); }

 private:
  kb_parker parker_{};
};

// Of a thread that PsCreateSystemThread made.
struct SystemThreadState {
  LONG references = 0;
  bool open = false;  // has a handle
  bool running = false;
  uint32_t generation = 0;
  PKSTART_ROUTINE start = nullptr;
  PVOID context = nullptr;
  const nt::Image* image = nullptr;
};

// Never freed while the module is loaded: its dispatch context is part of the registry.
struct TaskThread {
  nt::Thread thread;  // first: a thread object is this one's address
  TaskParker parker;
  Atomic<void*> task{};       // whose it is; null: nobody's
  kb_guard* guard = nullptr;  // where the thread goes when driver code may not go on

  // The last bound exception, and the guard of the task that had it.
  uint64_t owner = 0;
  BoundEvent event;
  x86::Registers at_fault;
  // An invalid opcode: what its check is, and whether it is one, is yet to be found out.
  bool to_recover = false;
  x86::Recovery recovery;
  // What a native callback left, which has more registers than NT's frame.
  x86::Registers edited;
  bool has_edited = false;
  LivelockGuard<x86::Registers> livelock;
  kb_deferred_work work{};

  // Nobody handled it and the instruction is run again: its next exception is the kernel's own. The
  // thread stays claimed until then; `since` says since when.
  Atomic<uint32_t> propagating{};
  int64_t since = 0;

  SystemThreadState system;
};

inline constexpr uint32_t kMaxThreads = 1024;

// A thread for the running task, which has none; null when all kMaxThreads are in use or there is no
// memory. Prefers the one that the task had last. Context: anywhere, traps included.
[[nodiscard]] TaskThread* claim_thread() noexcept;
// The running task's thread, back from a propagation that came to nothing, or else a new one. Null as
// above, or when the task is an NT thread already.
[[nodiscard]] TaskThread* enter_running_task() noexcept;
// For a task that is yet to come: bind_thread() makes it that one's.
[[nodiscard]] TaskThread* claim_unbound_thread() noexcept;
void bind_thread(TaskThread& thread) noexcept;
void release_thread(TaskThread& thread) noexcept;

// Nobody handled its exception: the thread stays the task's until that comes again. False from the
// second: it was no such thread, or another task took it meanwhile. Context: trap, task.
void begin_propagation(TaskThread& thread) noexcept;
[[nodiscard]] bool end_propagation(TaskThread& thread) noexcept;
// Whether there is any such thread. Context: anywhere.
extern constinit Atomic<uint32_t> g_propagating;
[[nodiscard]] inline bool any_propagates() noexcept {
  return g_propagating.load(MemoryOrder::Relaxed) != 0;
}

// The running task's; null if it is no NT thread. Context: anywhere.
[[nodiscard]] TaskThread* running_thread() noexcept;

// The thread at this place of the table, null beyond the last. Context: anywhere.
[[nodiscard]] TaskThread* thread_at(uint32_t index) noexcept;
[[nodiscard]] inline TaskThread& task_thread_of(nt::Thread& thread) noexcept {
  return reinterpret_cast<TaskThread&>(thread);
}

void free_threads() noexcept;

// Runs `body` on the running task as an NT thread, under a guard. False when driver code in it was not
// allowed to go on, or when there is no thread to be had. Context: task.
template <class Body>
[[nodiscard]] bool run_guarded(TaskThread& thread, Body&& body) {
  kb_guard guard;
  kb_guard* const outer = thread.guard;
  thread.guard = &guard;
  const auto call = [](void* argument) { (*static_cast<Body*>(argument))(); };
  const bool whole = kb_guarded(&guard, call, &body) == 0;
  thread.guard = outer;
  return whole;
}

}  // namespace kebound::linux_module
