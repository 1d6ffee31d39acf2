// SPDX-License-Identifier: Apache-2.0
//
// PsCreateSystemThread and what belongs to it, on kernel threads. A thread object is a TaskThread, which
// is recycled and never freed.
#include "hosts/linux_module/images.h"
#include "hosts/linux_module/threads.h"
#include "nt/dispatcher.h"
#include "nt/report.h"

namespace kebound::linux_module {

namespace {

constinit std::mutex g_mutex;

// Handles are multiples of 4, as NT's are, and differ each time a place is used again.
[[nodiscard]] HANDLE handle_of(const TaskThread& thread, uint32_t index) noexcept {
  return reinterpret_cast<HANDLE>((uint64_t{thread.system.generation} << 24 | (index + 1)) << 2);
}

[[nodiscard]] TaskThread* find_locked(HANDLE handle) noexcept {
  const auto value = reinterpret_cast<uint64_t>(handle);
  const auto index = static_cast<uint32_t>((value >> 2 & 0xffffff) - 1);
  TaskThread* const thread = thread_at(index);
  return thread != nullptr && thread->system.open && handle_of(*thread, index) == handle ? thread
                                                                                        : nullptr;
}

[[nodiscard]] TaskThread* find_object_locked(const void* object) noexcept {
  for (uint32_t i = 0; TaskThread* const thread = thread_at(i); ++i) {
    if (thread == object && thread->system.references > 0) return thread;
  }
  return nullptr;
}

[[nodiscard]] uint32_t index_of(const TaskThread& wanted) noexcept {
  uint32_t i = 0;
  while (thread_at(i) != &wanted) ++i;
  return i;
}

LONG drop(TaskThread& thread) noexcept {
  LONG left = 0;
  {
    const std::lock_guard lock(g_mutex);
    left = --thread.system.references;
    if (left == 0) ++thread.system.generation;
  }
  if (left == 0) {
    thread.thread.is_system_thread = false;
    release_thread(thread);
  }
  return left;
}

void signal_end(TaskThread& thread) {
  const nt::DispatcherLock lock;
  thread.thread.kthread.Header.SignalState = 1;
  nt::satisfy_waiters_locked(thread.thread.kthread.Header);
}

void run(TaskThread& thread) {
  const nt::ScopedInside inside(thread.thread, thread.system.image);
  kb_call_driver(reinterpret_cast<void*>(thread.system.start), thread.system.context, nullptr,
                 nullptr, nullptr);
}

}  // namespace

void wait_for_system_threads_of(const nt::Image& image) {
  constexpr int64_t kPollNs = 1'000'000;
  bool reported = false;
  for (;;) {
    uint32_t running = 0;
    {
      const std::lock_guard lock(g_mutex);
      for (uint32_t i = 0; TaskThread* const thread = thread_at(i); ++i) {
        if (thread->system.running && thread->system.image == &image) ++running;
      }
    }
    if (running == 0) return;
    if (!reported) {
      nt::report_violation("system-thread-left-behind", image.executable[0].begin,
                           std::to_string(running) + " system threads of " + image.name +
                               " still run while it unloads; the unload waits for them");
      reported = true;
    }
    kb_sleep_ns(kPollNs);
  }
}

}  // namespace kebound::linux_module

using namespace kebound::linux_module;
using kebound::nt::image_at;

extern "C" {

void kb_system_thread(void* object) {
  auto& thread = *static_cast<TaskThread*>(object);
  bind_thread(thread);
  static_cast<void>(run_guarded(thread, [&thread] { run(thread); }));
  thread.thread.inside.store(nullptr, kebound::MemoryOrder::Release);
  {
    const std::lock_guard lock(g_mutex);
    thread.system.running = false;
  }
  signal_end(thread);
  thread.task.store(nullptr, kebound::MemoryOrder::Release);
  drop(thread);
}

NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG, POBJECT_ATTRIBUTES, HANDLE,
                              PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine, PVOID StartContext) {
  if (ThreadHandle == nullptr || StartRoutine == nullptr) return STATUS_INVALID_PARAMETER;
  TaskThread* const thread = claim_unbound_thread();
  if (thread == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  {
    const std::lock_guard lock(g_mutex);
    SystemThreadState& state = thread->system;
    state.references = 2;  // the handle's and the running thread's
    state.open = true;
    state.running = true;
    state.image = image_at(reinterpret_cast<uint64_t>(StartRoutine));
    state.start = StartRoutine;
    state.context = StartContext;
    thread->thread.is_system_thread = true;
    thread->thread.kthread.Header.SignalState = 0;
    *ThreadHandle = handle_of(*thread, index_of(*thread));
  }
  if (ClientId != nullptr) *ClientId = {nullptr, *ThreadHandle};
  if (kb_start_thread(thread, "kebound-system") == 0) return STATUS_SUCCESS;
  {
    const std::lock_guard lock(g_mutex);
    thread->system.open = false;
    thread->system.running = false;
  }
  drop(*thread);
  drop(*thread);
  return STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS PsTerminateSystemThread(NTSTATUS) {
  TaskThread* const thread = running_thread();
  if (thread == nullptr || !thread->system.running) return STATUS_INVALID_PARAMETER;
  kb_escape(thread->guard);
}

NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK, POBJECT_TYPE, KPROCESSOR_MODE,
                                   PVOID* Object, PVOID) {
  *Object = nullptr;
  const std::lock_guard lock(g_mutex);
  TaskThread* const thread = find_locked(Handle);
  if (thread == nullptr) return STATUS_INVALID_HANDLE;
  ++thread->system.references;
  *Object = thread;
  return STATUS_SUCCESS;
}

LONG_PTR ObfReferenceObject(PVOID Object) {
  const std::lock_guard lock(g_mutex);
  TaskThread* const thread = find_object_locked(Object);
  return thread != nullptr ? ++thread->system.references : 1;
}

LONG_PTR ObfDereferenceObject(PVOID Object) {
  TaskThread* thread = nullptr;
  {
    const std::lock_guard lock(g_mutex);
    thread = find_object_locked(Object);
  }
  return thread != nullptr ? drop(*thread) : 1;
}

NTSTATUS ZwClose(HANDLE Handle) {
  TaskThread* thread = nullptr;
  {
    const std::lock_guard lock(g_mutex);
    thread = find_locked(Handle);
    if (thread == nullptr) return STATUS_INVALID_HANDLE;
    thread->system.open = false;
  }
  drop(*thread);
  return STATUS_SUCCESS;
}

HANDLE PsGetCurrentProcessId(VOID) {
  return reinterpret_cast<HANDLE>(kb_current_pid());
}

HANDLE PsGetCurrentThreadId(VOID) {
  return reinterpret_cast<HANDLE>(kb_current_tid());
}

PETHREAD PsGetCurrentThread(VOID) { return KeGetCurrentThread(); }

PEPROCESS IoGetCurrentProcess(VOID) {
  const auto* const thread = kebound::nt::current_thread();
  return thread != nullptr ? thread->kthread.Process : nullptr;
}

}  // extern "C"
