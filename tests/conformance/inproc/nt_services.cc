// SPDX-License-Identifier: Apache-2.0
//
// The NT services of ntddk.h over threads and futexes. An event is one word, so that it works in
// memory that processes share, and after one of them has died.
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <ntddk.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr int64_t kUnitsPerSecond = 10'000'000;  // of 100 ns

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * kUnitsPerSecond + time.tv_nsec / 100;
}

timespec to_timespec(int64_t units) {
  timespec result{};
  if (units <= 0) return result;
  result.tv_sec = static_cast<time_t>(units / kUnitsPerSecond);
  result.tv_nsec = static_cast<long>(units % kUnitsPerSecond * 100);
  return result;
}

void signal(DISPATCHER_HEADER& header) {
  __atomic_store_n(&header.SignalState, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &header.SignalState, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

bool is_signalled(const DISPATCHER_HEADER& header) {
  return __atomic_load_n(&header.SignalState, __ATOMIC_SEQ_CST) != 0;
}

// A thread's object is its handle as well.
struct Thread {
  DISPATCHER_HEADER header{};
  uint32_t references = 2;  // the handle's and the running thread's
  PKSTART_ROUTINE routine = nullptr;
  PVOID context = nullptr;
};

void drop(Thread& thread) {
  if (__atomic_sub_fetch(&thread.references, 1, __ATOMIC_ACQ_REL) == 0) delete &thread;
}

// A thread is at its end when none of its frames is left: they are the driver's, and may be
// unmapped when somebody has waited for it.
struct Ending {
  Thread* thread = nullptr;
  ~Ending() {
    if (thread == nullptr) return;
    signal(thread->header);
    drop(*thread);
  }
};
thread_local Ending t_ending;

void* run(void* opaque) {
  auto& thread = *static_cast<Thread*>(opaque);
  t_ending.thread = &thread;
  thread.routine(thread.context);
  return nullptr;
}

}  // namespace

extern "C" {

VOID NTAPI KeInitializeEvent(PKEVENT Event, EVENT_TYPE /*Type*/, BOOLEAN State) {
  Event->Header.SignalState = State;
}

LONG NTAPI KeSetEvent(PKEVENT Event, KPRIORITY /*Increment*/, BOOLEAN /*Wait*/) {
  const LONG before = KeReadStateEvent(Event);
  signal(Event->Header);
  return before;
}

LONG NTAPI KeReadStateEvent(PKEVENT Event) { return is_signalled(Event->Header) ? 1 : 0; }

NTSTATUS NTAPI KeWaitForSingleObject(PVOID Object, KWAIT_REASON /*WaitReason*/,
                                     KPROCESSOR_MODE /*WaitMode*/, BOOLEAN /*Alertable*/,
                                     PLARGE_INTEGER Timeout) {
  auto& header = *static_cast<DISPATCHER_HEADER*>(Object);
  const int64_t end = Timeout != nullptr ? now() - Timeout->QuadPart : 0;
  while (!is_signalled(header)) {
    timespec rest{};
    if (Timeout != nullptr) {
      const int64_t units = end - now();
      if (units <= 0) return STATUS_TIMEOUT;
      rest = to_timespec(units);
    }
    syscall(SYS_futex, &header.SignalState, FUTEX_WAIT, 0, Timeout != nullptr ? &rest : nullptr,
            nullptr, 0);
  }
  return STATUS_SUCCESS;
}

NTSTATUS NTAPI KeDelayExecutionThread(KPROCESSOR_MODE /*WaitMode*/, BOOLEAN /*Alertable*/,
                                      PLARGE_INTEGER Interval) {
  timespec rest = to_timespec(-Interval->QuadPart);
  while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
  }
  return STATUS_SUCCESS;
}

NTSTATUS NTAPI PsCreateSystemThread(PHANDLE ThreadHandle, ULONG /*DesiredAccess*/,
                                    PVOID /*ObjectAttributes*/, HANDLE /*ProcessHandle*/,
                                    PVOID /*ClientId*/, PKSTART_ROUTINE StartRoutine,
                                    PVOID StartContext) {
  auto* const thread = new Thread;
  thread->routine = StartRoutine;
  thread->context = StartContext;
  pthread_t id{};
  if (pthread_create(&id, nullptr, run, thread) != 0) {
    delete thread;
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  pthread_detach(id);
  *ThreadHandle = thread;
  return STATUS_SUCCESS;
}

NTSTATUS NTAPI PsTerminateSystemThread(NTSTATUS ExitStatus) {
  if (t_ending.thread == nullptr) return STATUS_UNSUCCESSFUL;
  pthread_exit(reinterpret_cast<void*>(static_cast<intptr_t>(ExitStatus)));
}

HANDLE NTAPI PsGetCurrentProcessId() {
  return reinterpret_cast<HANDLE>(static_cast<uintptr_t>(getpid()));
}
HANDLE NTAPI PsGetCurrentThreadId() {
  return reinterpret_cast<HANDLE>(static_cast<uintptr_t>(syscall(SYS_gettid)));
}

NTSTATUS NTAPI ObReferenceObjectByHandle(HANDLE Handle, ACCESS_MASK /*DesiredAccess*/,
                                         PVOID /*ObjectType*/, KPROCESSOR_MODE /*AccessMode*/,
                                         PVOID* Object, PVOID /*HandleInformation*/) {
  if (Handle == nullptr) return STATUS_INVALID_HANDLE;
  __atomic_add_fetch(&static_cast<Thread*>(Handle)->references, 1, __ATOMIC_RELAXED);
  *Object = Handle;
  return STATUS_SUCCESS;
}
LONG_PTR NTAPI ObfDereferenceObject(PVOID Object) {
  drop(*static_cast<Thread*>(Object));
  return 0;
}
NTSTATUS NTAPI ZwClose(HANDLE Handle) {
  if (Handle == nullptr) return STATUS_INVALID_HANDLE;
  drop(*static_cast<Thread*>(Handle));
  return STATUS_SUCCESS;
}

}  // extern "C"
