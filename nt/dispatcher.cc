// SPDX-License-Identifier: Apache-2.0
#include "nt/dispatcher.h"

#include <algorithm>

#include "nt/clock.h"
#include "nt/report.h"

namespace kebound::nt {

constinit std::mutex g_dispatcher_mutex;

namespace {

// One wait, on the waiting thread's stack; its blocks' SparePtr point here.
struct Waiter {
  Thread* thread;
  KWAIT_BLOCK* blocks;
  ULONG count;
  WAIT_TYPE type;
  bool satisfied = false;
  NTSTATUS status = STATUS_SUCCESS;
};

[[nodiscard]] DISPATCHER_HEADER& header_of(const KWAIT_BLOCK& block) noexcept {
  return *static_cast<DISPATCHER_HEADER*>(block.Object);
}

[[nodiscard]] bool signalled_for(const DISPATCHER_HEADER& header, const Thread& thread) noexcept {
  if (header.SignalState > 0) return true;
  return header.Type == MutantObject &&
         reinterpret_cast<const KMUTANT&>(header).OwnerThread == &thread.kthread;
}

// Takes what a satisfied wait takes from the object.
void consume(DISPATCHER_HEADER& header, Thread& thread) noexcept {
  switch (header.Type) {
    case EventSynchronizationObject:
    case TimerSynchronizationObject:
      header.SignalState = 0;
      break;
    case SemaphoreObject:
      --header.SignalState;
      break;
    case MutantObject: {
      auto& mutant = reinterpret_cast<KMUTANT&>(header);
      if (--header.SignalState == 0) {
        mutant.OwnerThread = &thread.kthread;
        ++thread.held_mutexes;
        thread.kthread.KernelApcDisable =
            static_cast<SHORT>(thread.kthread.KernelApcDisable - mutant.ApcDisable);
      }
      break;
    }
    default:
      break;
  }
}

// Tries to end the wait now; on success all that it gets is taken and `status` set.
[[nodiscard]] bool try_satisfy_locked(Waiter& waiter) noexcept {
  KWAIT_BLOCK* const end = waiter.blocks + waiter.count;
  const auto signalled = [&](const KWAIT_BLOCK& block) {
    return signalled_for(header_of(block), *waiter.thread);
  };
  if (waiter.type == WaitAny) {
    const KWAIT_BLOCK* found = std::find_if(waiter.blocks, end, signalled);
    if (found == end) return false;
    consume(header_of(*found), *waiter.thread);
    waiter.status = STATUS_WAIT_0 + static_cast<NTSTATUS>(found - waiter.blocks);
  } else {
    if (!std::all_of(waiter.blocks, end, signalled)) return false;
    for (KWAIT_BLOCK* block = waiter.blocks; block != end; ++block)
      consume(header_of(*block), *waiter.thread);
    waiter.status = STATUS_SUCCESS;
  }
  waiter.satisfied = true;
  return true;
}

void enqueue_locked(Waiter& waiter) noexcept {
  for (KWAIT_BLOCK* block = waiter.blocks; block != waiter.blocks + waiter.count; ++block) {
    InsertTailList(&header_of(*block).WaitListHead, &block->WaitListEntry);
  }
}

void dequeue_locked(Waiter& waiter) noexcept {
  for (KWAIT_BLOCK* block = waiter.blocks; block != waiter.blocks + waiter.count; ++block) {
    RemoveEntryList(&block->WaitListEntry);
  }
}

// The type is written once, before the object is shared; the list is the dispatcher lock's.
[[nodiscard]] bool has_waitable_type(const DISPATCHER_HEADER& header) noexcept {
  switch (header.Type) {
    case EventNotificationObject:
    case EventSynchronizationObject:
    case MutantObject:
    case SemaphoreObject:
    case ThreadObject:
    case TimerNotificationObject:
    case TimerSynchronizationObject:
      return true;
    default:
      return false;
  }
}

[[nodiscard]] const KWAIT_BLOCK* uninitialized_locked(const Waiter& waiter) noexcept {
  for (const KWAIT_BLOCK* block = waiter.blocks; block != waiter.blocks + waiter.count; ++block) {
    if (header_of(*block).WaitListHead.Flink == nullptr) return block;
  }
  return nullptr;
}

[[noreturn]] void no_dispatcher_object(const KWAIT_BLOCK& block) {
  const uint64_t object = address_of(block.Object);
  raise_bug_check(BugCheckCode::DriverVerifierDetectedViolation, {.p2 = object}, 0,
                  "a wait for " + hex(object) + ", which is no initialized dispatcher object");
}

}  // namespace

void initialize_header(DISPATCHER_HEADER& header, KOBJECTS type, size_t size, LONG state) noexcept {
  header.Type = static_cast<UCHAR>(type);
  header.Signalling = 0;
  header.Size = static_cast<UCHAR>(size / sizeof(ULONG));
  header.Reserved1 = 0;
  header.SignalState = state;
  InitializeListHead(&header.WaitListHead);
}

void satisfy_waiters_locked(DISPATCHER_HEADER& header) noexcept {
  PLIST_ENTRY entry = header.WaitListHead.Flink;
  while (entry != &header.WaitListHead && header.SignalState > 0) {
    auto* block = CONTAINING_RECORD(entry, KWAIT_BLOCK, WaitListEntry);
    auto& waiter = *static_cast<Waiter*>(block->SparePtr);
    entry = entry->Flink;
    if (!try_satisfy_locked(waiter)) continue;
    // The waiter may wait for this object more than once: step over all of its blocks before they
    // go.
    while (entry != &header.WaitListHead &&
           CONTAINING_RECORD(entry, KWAIT_BLOCK, WaitListEntry)->SparePtr == &waiter) {
      entry = entry->Flink;
    }
    dequeue_locked(waiter);
    // Under the lock: once it is released the waiter may return and its stack be reused.
    waiter.thread->parker->unpark();
  }
}

Thread& require_thread(uint64_t caller, const char* routine) {
  Thread* thread = current_thread();
  if (thread == nullptr || thread->parker == nullptr) {
    raise_bug_check(BugCheckCode::DriverVerifierDetectedViolation, {.p2 = caller}, caller,
                    std::string(routine) + " was called on a host thread that is no NT thread");
  }
  return *thread;
}

NTSTATUS wait_for_objects(Thread& thread, ULONG count, PVOID const* objects, WAIT_TYPE type,
                          int64_t deadline, bool poll, KWAIT_BLOCK* blocks) {
  Waiter waiter = {.thread = &thread, .blocks = blocks, .count = count, .type = type};
  for (ULONG i = 0; i < count; ++i) {
    blocks[i] = KWAIT_BLOCK{};
    blocks[i].WaitType = static_cast<UCHAR>(type);
    blocks[i].WaitKey = static_cast<USHORT>(i);
    blocks[i].Thread = &thread.kthread;
    blocks[i].Object = objects[i];
    blocks[i].SparePtr = &waiter;
    if (!has_waitable_type(header_of(blocks[i]))) no_dispatcher_object(blocks[i]);
  }
  const KWAIT_BLOCK* uninitialized = nullptr;
  {
    const DispatcherLock lock;
    uninitialized = uninitialized_locked(waiter);
    if (uninitialized == nullptr) {
      if (try_satisfy_locked(waiter)) return waiter.status;
      if (poll) return STATUS_TIMEOUT;
      enqueue_locked(waiter);
    }
  }
  if (uninitialized != nullptr) no_dispatcher_object(*uninitialized);
  for (;;) {
    thread.parker->park(deadline);
    const DispatcherLock lock;
    if (waiter.satisfied) return waiter.status;
    if (deadline != INT64_MAX && monotonic_ns() >= deadline) {
      dequeue_locked(waiter);
      return STATUS_TIMEOUT;
    }
  }
}

void wait_for_object(Thread& thread, PVOID object) {
  KWAIT_BLOCK block;
  PVOID objects[] = {object};
  static_cast<void>(wait_for_objects(thread, 1, objects, WaitAny, INT64_MAX, false, &block));
}

}  // namespace kebound::nt
