// SPDX-License-Identifier: Apache-2.0
#include "hosts/linux_module/threads.h"

#include <new>

namespace kebound::linux_module {

constinit Atomic<uint32_t> g_propagating;

namespace {

// Filled from the front and never emptied, so that who looks for a thread may stop at the first hole.
constinit Atomic<TaskThread*> g_threads[kMaxThreads];

// How long a task may take from "nobody handled it" to the same exception again, before its thread is
// given to another one that finds no free one. It is asked about once more then.
constexpr int64_t kPropagationNs = 1'000'000'000;

void prepare(TaskThread& thread, void* task) noexcept {
  nt::Thread& nt = thread.thread;
  nt.kthread.CombinedApcDisable = 0;
  nt.kthread.TrapFrame = nullptr;
  nt.irql = PASSIVE_LEVEL;
  nt.held_mutexes = 0;
  nt.client_pid = kb_current_pid();
  nt.client_tid = kb_current_tid();
  nt.event = nullptr;
  thread.guard = nullptr;
  // Release pairs with running_thread(), which only the task itself can satisfy.
  thread.task.store(task, MemoryOrder::Release);
}

void take_over(TaskThread& thread, uint64_t owner) noexcept {
  if (thread.owner == owner) return;
  thread.owner = owner;
  thread.livelock.forget();
}

[[nodiscard]] bool take_back(TaskThread& thread) noexcept {
  return thread.propagating.load(MemoryOrder::Relaxed) != 0 &&
         kb_monotonic_ns() - thread.since > kPropagationNs && end_propagation(thread);
}

[[nodiscard]] TaskThread* make_thread() noexcept {
  void* const memory = kb_allocate(sizeof(TaskThread) + kCacheLine);
  if (memory == nullptr) return nullptr;
  const uint64_t at = (reinterpret_cast<uint64_t>(memory) + kCacheLine) & ~uint64_t{kCacheLine - 1};
  auto* const thread = new (reinterpret_cast<void*>(at)) TaskThread;
  reinterpret_cast<void**>(at)[-1] = memory;
  thread->thread.parker = &thread->parker;
  static_cast<void>(thread->thread.dispatch_context.try_claim());  // nobody else knows it yet
  nt::Facility::attach(thread->thread);
  for (Atomic<TaskThread*>& slot : g_threads) {
    TaskThread* expected = nullptr;
    if (slot.load(MemoryOrder::Relaxed) == nullptr && slot.compare_exchange(expected, thread))
      return thread;
  }
  return nullptr;  // stays attached and is never used: its context is the registry's
}

[[nodiscard]] TaskThread* claim(uint64_t owner) noexcept {
  uint32_t count = 0;
  for (; TaskThread* const thread = thread_at(count); ++count) {
    if (thread->owner == owner && thread->thread.dispatch_context.try_claim()) return thread;
  }
  for (uint32_t i = 0; i < count; ++i) {
    TaskThread* const thread = thread_at(i);
    if (thread->thread.dispatch_context.try_claim()) return thread;
  }
  if (count < kMaxThreads) return make_thread();
  for (uint32_t i = 0; i < count; ++i) {
    TaskThread* const thread = thread_at(i);
    if (take_back(*thread)) return thread;
  }
  return nullptr;
}

}  // namespace

TaskThread* claim_thread() noexcept {
  const uint64_t owner = kb_current_identity();
  TaskThread* const thread = claim(owner);
  if (thread == nullptr) return nullptr;
  take_over(*thread, owner);
  prepare(*thread, kb_current());
  return thread;
}

TaskThread* enter_running_task() noexcept {
  TaskThread* const thread = running_thread();
  if (thread == nullptr) return claim_thread();
  if (!end_propagation(*thread)) return nullptr;
  take_over(*thread, kb_current_identity());
  prepare(*thread, kb_current());
  return thread;
}

void begin_propagation(TaskThread& thread) noexcept {
  g_propagating.fetch_add(1);
  thread.livelock.forget();
  thread.since = kb_monotonic_ns();
  thread.propagating.store(1, MemoryOrder::Release);
}

bool end_propagation(TaskThread& thread) noexcept {
  if (thread.propagating.exchange(0) == 0) return false;
  g_propagating.fetch_add(~uint32_t{0});
  return true;
}

TaskThread* claim_unbound_thread() noexcept {
  TaskThread* const thread = claim(0);
  if (thread == nullptr) return nullptr;
  thread->owner = 0;
  thread->livelock.forget();
  prepare(*thread, nullptr);
  return thread;
}

void bind_thread(TaskThread& thread) noexcept { prepare(thread, kb_current()); }

void release_thread(TaskThread& thread) noexcept {
  thread.task.store(nullptr, MemoryOrder::Release);
  thread.thread.dispatch_context.release();
}

TaskThread* thread_at(uint32_t index) noexcept {
  return index < kMaxThreads ? g_threads[index].load(MemoryOrder::Acquire) : nullptr;
}

TaskThread* running_thread() noexcept {
  void* const task = kb_current();
  for (uint32_t i = 0; TaskThread* const thread = thread_at(i); ++i) {
    if (thread->task.load(MemoryOrder::Relaxed) == task) return thread;
  }
  return nullptr;
}

void free_threads() noexcept {
  for (uint32_t i = 0; TaskThread* const thread = thread_at(i); ++i) {
    kb_free(reinterpret_cast<void**>(thread)[-1]);
  }
}

}  // namespace kebound::linux_module

namespace kebound::nt {

Thread* current_thread() noexcept {
  linux_module::TaskThread* const thread = linux_module::running_thread();
  return thread != nullptr ? &thread->thread : nullptr;
}

void set_irql(Thread& thread, KIRQL irql) noexcept { thread.irql = irql; }

}  // namespace kebound::nt

extern "C" PKTHREAD KeGetCurrentThread(VOID) {
  return &kebound::nt::current_thread()->kthread;
}
