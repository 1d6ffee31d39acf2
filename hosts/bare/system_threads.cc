// SPDX-License-Identifier: Apache-2.0
//
// PsCreateSystemThread and what belongs to it. A thread object is a Thread of this kernel.
#include "hosts/bare/threads.h"
#include "nt/dispatcher.h"
#include "nt/report.h"

namespace kebound::bare {

namespace {

// Handles are multiples of 4, as NT's are, and differ each time a place is used again.
[[nodiscard]] HANDLE handle_of(const Thread& thread) noexcept {
  return reinterpret_cast<HANDLE>((uint64_t{thread.generation} << 16 | thread_id(thread)) << 2);
}

[[nodiscard]] Thread* find(HANDLE handle) noexcept {
  for (uint32_t i = 0; i < kMaxThreads; ++i) {
    Thread& thread = thread_at(i);
    if (thread.has_handle && handle_of(thread) == handle) return &thread;
  }
  return nullptr;
}

[[nodiscard]] Thread* find_object(const void* object) noexcept {
  for (uint32_t i = 0; i < kMaxThreads; ++i) {
    if (&thread_at(i) == object && thread_at(i).references > 0) return &thread_at(i);
  }
  return nullptr;
}

// Interrupts are off.
LONG drop(Thread& thread) noexcept {
  const LONG left = --thread.references;
  if (left == 0) ++thread.generation;
  return left;
}

[[noreturn]] void end_system_thread() noexcept {
  Thread& thread = running_thread();
  thread.nt.inside.store(nullptr, MemoryOrder::Release);
  {
    const nt::DispatcherLock lock;
    thread.nt.kthread.Header.SignalState = 1;
    nt::satisfy_waiters_locked(thread.nt.kthread.Header);
  }
  __asm__ volatile("cli" : : : "memory");
  drop(thread);
  end_thread();
}

void run_system_thread(void*) noexcept {
  Thread& thread = running_thread();
  thread.nt.inside.store(thread.image, MemoryOrder::Release);
  thread.start(thread.context);
  end_system_thread();
}

}  // namespace

}  // namespace kebound::bare

using namespace kebound::bare;

extern "C" {

NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG, POBJECT_ATTRIBUTES, HANDLE,
                              PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine,
                              PVOID StartContext) {
  if (ThreadHandle == nullptr || StartRoutine == nullptr) return STATUS_INVALID_PARAMETER;
  const InterruptsOff off;  // it does not run before it is complete
  Thread* const thread = new_thread(run_system_thread, nullptr, nullptr);
  if (thread == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  thread->references = 2;  // the handle's and the running thread's
  thread->has_handle = true;
  thread->start = StartRoutine;
  thread->context = StartContext;
  thread->image = kebound::nt::image_at(reinterpret_cast<uint64_t>(StartRoutine));
  thread->nt.is_system_thread = true;
  *ThreadHandle = handle_of(*thread);
  if (ClientId != nullptr) *ClientId = {nullptr, *ThreadHandle};
  return STATUS_SUCCESS;
}

NTSTATUS PsTerminateSystemThread(NTSTATUS) {
  if (!running_thread().nt.is_system_thread) return STATUS_INVALID_PARAMETER;
  end_system_thread();
}

NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK, POBJECT_TYPE, KPROCESSOR_MODE,
                                   PVOID* Object, PVOID) {
  const InterruptsOff off;
  Thread* const thread = find(Handle);
  *Object = thread;
  if (thread == nullptr) return STATUS_INVALID_HANDLE;
  ++thread->references;
  return STATUS_SUCCESS;
}

LONG_PTR ObfReferenceObject(PVOID Object) {
  const InterruptsOff off;
  Thread* const thread = find_object(Object);
  return thread != nullptr ? ++thread->references : 1;
}

LONG_PTR ObfDereferenceObject(PVOID Object) {
  const InterruptsOff off;
  Thread* const thread = find_object(Object);
  return thread != nullptr ? drop(*thread) : 1;
}

NTSTATUS ZwClose(HANDLE Handle) {
  const InterruptsOff off;
  Thread* const thread = find(Handle);
  if (thread == nullptr) return STATUS_INVALID_HANDLE;
  thread->has_handle = false;
  drop(*thread);
  return STATUS_SUCCESS;
}

HANDLE PsGetCurrentProcessId(VOID) {
  return reinterpret_cast<HANDLE>(running_thread().nt.client_pid);
}

HANDLE PsGetCurrentThreadId(VOID) {
  return reinterpret_cast<HANDLE>(running_thread().nt.client_tid);
}

PETHREAD PsGetCurrentThread(VOID) { return KeGetCurrentThread(); }

PEPROCESS IoGetCurrentProcess(VOID) { return running_thread().nt.kthread.Process; }

}  // extern "C"
