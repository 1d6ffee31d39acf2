// SPDX-License-Identifier: Apache-2.0
//
// System threads, their objects and handles. A thread object's memory is recycled but never freed:
// once attached, its dispatch context belongs to the registry.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <vector>

#include "include/nt/wdm.h"
#include "nt/dispatcher.h"
#include "nt/pthread_parker.h"
#include "nt/report.h"
#include "nt/system_threads.h"

namespace kebound::nt {

namespace {

struct SystemThread {
  Thread thread;  // first: a thread object is this one's address
  PthreadParker parker;
  LONG references = 0;
  bool open = false;  // has a handle
  uint32_t generation = 0;
  uint32_t index = 0;
  const Image* image = nullptr;
  bool running = false;
  PKSTART_ROUTINE start = nullptr;
  PVOID context = nullptr;
  jmp_buf exit;
};

struct ThreadTable {
  std::mutex mutex;
  std::deque<SystemThread> threads;  // stable addresses
  std::vector<SystemThread*> unused;
};

ThreadTable& table() noexcept {
  static auto* instance = new ThreadTable;
  return *instance;
}

// Handles are multiples of 4, as NT's are, and differ each time a slot is used again.
[[nodiscard]] HANDLE handle_of(const SystemThread& thread) noexcept {
  return reinterpret_cast<HANDLE>((uint64_t{thread.generation} << 24 | (thread.index + 1)) << 2);
}

[[nodiscard]] SystemThread* find_locked(ThreadTable& t, HANDLE handle) noexcept {
  const uint64_t index = (address_of(handle) >> 2 & 0xffffff) - 1;
  if (index >= t.threads.size()) return nullptr;
  SystemThread& thread = t.threads[index];
  return thread.open && handle_of(thread) == handle ? &thread : nullptr;
}

[[nodiscard]] SystemThread* find_object_locked(ThreadTable& t, const void* object) noexcept {
  const auto found =
      std::find_if(t.threads.begin(), t.threads.end(),
                   [object](const SystemThread& thread) { return &thread == object; });
  return found != t.threads.end() && found->references > 0 ? &*found : nullptr;
}

LONG release_locked(ThreadTable& t, SystemThread& thread) {
  const LONG left = --thread.references;
  if (left == 0) {
    ++thread.generation;
    t.unused.push_back(&thread);
  }
  return left;
}

SystemThread& allocate_locked(ThreadTable& t) {
  if (t.unused.empty()) {
    SystemThread& made = t.threads.emplace_back();
    made.index = static_cast<uint32_t>(t.threads.size() - 1);
    made.thread.parker = &made.parker;
    made.thread.is_system_thread = true;
    Facility::attach(made.thread);
    return made;
  }
  SystemThread& again = *t.unused.back();
  t.unused.pop_back();
  again.thread.kthread.Header.SignalState = 0;
  again.thread.kthread.CombinedApcDisable = 0;
  again.thread.irql = PASSIVE_LEVEL;
  return again;
}

void run(SystemThread& self) {
  if (setjmp(self.exit) == 0) self.start(self.context);
}

void check_exit(const SystemThread& self) {
  const Thread& thread = self.thread;
  const auto start = reinterpret_cast<uint64_t>(self.start);
  if (thread.held_mutexes != 0) {
    raise_bug_check(
        BugCheckCode::ThreadTerminateHeldMutex, {.p1 = address_of(&thread)}, start,
        "the system thread " + Facility::describe(start) + " ended while it owned a mutex");
  }
  if (thread.irql != PASSIVE_LEVEL) {
    raise_bug_check(BugCheckCode::IrqlNotLessOrEqual, {start, thread.irql, 0, start}, start,
                    "the system thread " + Facility::describe(start) + " ended at IRQL " +
                        std::to_string(thread.irql));
  }
  if (thread.kthread.CombinedApcDisable != 0) {
    report_violation(
        "critical-region", start,
        "the system thread " + Facility::describe(start) + " ended inside a critical region");
  }
}

void* thread_main(void* argument) {
  auto& self = *static_cast<SystemThread*>(argument);
  adopt_host_thread();
  enter_thread(&self.thread);
  {
    const ScopedInside inside(self.thread, self.image);
    run(self);
    check_exit(self);
  }
  {
    ThreadTable& t = table();
    const std::lock_guard lock(t.mutex);
    self.running = false;
  }
  {
    const DispatcherLock lock;
    self.thread.kthread.Header.SignalState = 1;
    satisfy_waiters_locked(self.thread.kthread.Header);
  }
  enter_thread(nullptr);
  ThreadTable& t = table();
  const std::lock_guard lock(t.mutex);
  release_locked(t, self);
  return nullptr;
}

bool start_host_thread(SystemThread& thread) noexcept {
  // The host's signals are not for this thread, but a fault of driver code on it is.
  sigset_t mask;
  sigset_t before;
  sigfillset(&mask);
  for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) sigdelset(&mask, fault);
  pthread_sigmask(SIG_SETMASK, &mask, &before);
  pthread_t id;
  const bool started = pthread_create(&id, nullptr, thread_main, &thread) == 0;
  if (started) pthread_detach(id);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

// What *PsThreadType points to: compared, never looked into.
constinit uint64_t g_thread_type = 6;
const POBJECT_TYPE kThreadType = reinterpret_cast<POBJECT_TYPE>(&g_thread_type);
POBJECT_TYPE g_thread_type_pointer = kThreadType;

}  // namespace

size_t system_threads_of(const Image& image) noexcept {
  ThreadTable& t = table();
  const std::lock_guard lock(t.mutex);
  return static_cast<size_t>(std::count_if(
      t.threads.begin(), t.threads.end(),
      [&image](const SystemThread& thread) { return thread.running && thread.image == &image; }));
}

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

POBJECT_TYPE* PsThreadType = &g_thread_type_pointer;

NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG, POBJECT_ATTRIBUTES, HANDLE,
                              PCLIENT_ID ClientId, PKSTART_ROUTINE StartRoutine,
                              PVOID StartContext) {
  if (ThreadHandle == nullptr || StartRoutine == nullptr) return STATUS_INVALID_PARAMETER;
  const Image* image = image_at(reinterpret_cast<uint64_t>(StartRoutine));
  ThreadTable& t = table();
  const std::lock_guard lock(t.mutex);
  SystemThread& thread = allocate_locked(t);
  thread.references = 2;  // the handle's and the running thread's
  thread.open = true;
  thread.running = true;
  thread.image = image;
  thread.start = StartRoutine;
  thread.context = StartContext;
  *ThreadHandle = handle_of(thread);
  if (!start_host_thread(thread)) {
    thread.open = false;
    thread.running = false;
    thread.references = 1;
    release_locked(t, thread);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  if (ClientId != nullptr) {
    ClientId->UniqueProcess = reinterpret_cast<HANDLE>(static_cast<intptr_t>(getpid()));
    ClientId->UniqueThread = *ThreadHandle;
  }
  return STATUS_SUCCESS;
}

NTSTATUS PsTerminateSystemThread(NTSTATUS) {
  Thread* const current = current_thread();
  SystemThread* self = nullptr;
  {
    ThreadTable& t = table();
    const std::lock_guard lock(t.mutex);
    self = find_object_locked(t, current);
    if (self == nullptr || !self->running) return STATUS_INVALID_PARAMETER;
  }
  longjmp(self->exit, 1);
}

NTSTATUS ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK, POBJECT_TYPE ObjectType,
                                   KPROCESSOR_MODE, PVOID* Object, PVOID) {
  *Object = nullptr;
  ThreadTable& t = table();
  const std::lock_guard lock(t.mutex);
  SystemThread* thread = find_locked(t, Handle);
  if (thread == nullptr) return STATUS_INVALID_HANDLE;
  if (ObjectType != nullptr && ObjectType != kThreadType) return STATUS_OBJECT_TYPE_MISMATCH;
  ++thread->references;
  *Object = &thread->thread.kthread;
  return STATUS_SUCCESS;
}

LONG_PTR ObfReferenceObject(PVOID Object) {
  ThreadTable& t = table();
  const std::lock_guard lock(t.mutex);
  SystemThread* thread = find_object_locked(t, Object);
  return thread != nullptr ? ++thread->references : 1;
}

LONG_PTR ObfDereferenceObject(PVOID Object) {
  ThreadTable& t = table();
  const std::lock_guard lock(t.mutex);
  SystemThread* thread = find_object_locked(t, Object);
  return thread != nullptr ? release_locked(t, *thread) : 1;
}

NTSTATUS ZwClose(HANDLE Handle) {
  ThreadTable& t = table();
  const std::lock_guard lock(t.mutex);
  SystemThread* thread = find_locked(t, Handle);
  if (thread == nullptr) return STATUS_INVALID_HANDLE;
  thread->open = false;
  release_locked(t, *thread);
  return STATUS_SUCCESS;
}

HANDLE PsGetCurrentProcessId(VOID) {
  const Thread* thread = current_thread();
  const uint64_t id = thread != nullptr && thread->client_pid != 0
                          ? thread->client_pid
                          : static_cast<uint64_t>(getpid());
  return reinterpret_cast<HANDLE>(id);
}

HANDLE PsGetCurrentThreadId(VOID) {
  const Thread* thread = current_thread();
  const uint64_t id = thread != nullptr && thread->client_tid != 0
                          ? thread->client_tid
                          : static_cast<uint64_t>(gettid());
  return reinterpret_cast<HANDLE>(id);
}

PETHREAD PsGetCurrentThread(VOID) {
  Thread* thread = current_thread();
  return thread != nullptr ? &thread->kthread : nullptr;
}

PEPROCESS IoGetCurrentProcess(VOID) {
  const Thread* thread = current_thread();
  return thread != nullptr ? thread->kthread.Process : nullptr;
}

}  // extern "C"
