// SPDX-License-Identifier: Apache-2.0
//
// Timers and DPCs. Both queues are under the dispatcher lock; KTIMER.TimerListEntry.Flink is not
// null while a timer is set, KDPC.DpcData while a DPC is queued.
#include <pthread.h>
#include <signal.h>

#include "include/nt/wdm.h"
#include "nt/clock.h"
#include "nt/deferred.h"
#include "nt/dispatcher.h"
#include "nt/pthread_parker.h"
#include "nt/report.h"

namespace kebound::nt {

namespace {

constinit PthreadParker g_parker;
constinit Thread g_thread;
constinit bool g_started = false;       // dispatcher lock
constinit KDPC* g_first_dpc = nullptr;  // dispatcher lock, as all below
constinit KDPC* g_last_dpc = nullptr;
constinit LIST_ENTRY g_timers = {&g_timers,
                                 &g_timers};  // by DueTime, which holds CLOCK_MONOTONIC ns

[[nodiscard]] KTIMER* timer_of(PLIST_ENTRY entry) noexcept {
  return CONTAINING_RECORD(entry, KTIMER, TimerListEntry);
}
[[nodiscard]] KDPC* dpc_of(PSINGLE_LIST_ENTRY entry) noexcept {
  return entry != nullptr ? CONTAINING_RECORD(entry, KDPC, DpcListEntry) : nullptr;
}
[[nodiscard]] bool is_set(const KTIMER& timer) noexcept {
  return timer.TimerListEntry.Flink != nullptr;
}

void insert_timer_locked(KTIMER* timer, int64_t due) noexcept {
  timer->DueTime.QuadPart = static_cast<ULONGLONG>(due);
  PLIST_ENTRY place = g_timers.Blink;
  while (place != &g_timers && timer_of(place)->DueTime.QuadPart > timer->DueTime.QuadPart)
    place = place->Blink;
  InsertHeadList(place, &timer->TimerListEntry);
}

void remove_timer_locked(KTIMER* timer) noexcept {
  RemoveEntryList(&timer->TimerListEntry);
  timer->TimerListEntry.Flink = nullptr;
}

bool queue_dpc_locked(KDPC* dpc, void* argument1, void* argument2) noexcept {
  if (dpc->DpcData != nullptr) return false;
  dpc->DpcData = &g_first_dpc;
  dpc->SystemArgument1 = argument1;
  dpc->SystemArgument2 = argument2;
  if (dpc->Importance == HighImportance || g_last_dpc == nullptr) {
    dpc->DpcListEntry.Next = g_first_dpc != nullptr ? &g_first_dpc->DpcListEntry : nullptr;
    g_first_dpc = dpc;
    if (g_last_dpc == nullptr) g_last_dpc = dpc;
  } else {
    dpc->DpcListEntry.Next = nullptr;
    g_last_dpc->DpcListEntry.Next = &dpc->DpcListEntry;
    g_last_dpc = dpc;
  }
  return true;
}

bool unqueue_dpc_locked(KDPC* dpc) noexcept {
  if (dpc->DpcData == nullptr) return false;
  KDPC* previous = nullptr;
  for (KDPC* at = g_first_dpc; at != dpc; at = dpc_of(at->DpcListEntry.Next)) {
    if (at == nullptr) return false;
    previous = at;
  }
  if (previous != nullptr) {
    previous->DpcListEntry.Next = dpc->DpcListEntry.Next;
  } else {
    g_first_dpc = dpc_of(dpc->DpcListEntry.Next);
  }
  if (g_last_dpc == dpc) g_last_dpc = previous;
  dpc->DpcData = nullptr;
  return true;
}

// Fires what is due; returns when the next one is.
int64_t fire_timers_locked() noexcept {
  while (!IsListEmpty(&g_timers)) {
    KTIMER* timer = timer_of(g_timers.Flink);
    const int64_t now = monotonic_ns();
    const auto due = static_cast<int64_t>(timer->DueTime.QuadPart);
    if (due > now) return due;
    remove_timer_locked(timer);
    if (timer->Period != 0) {
      // From the time it was due, not from now, so that a period does not drift; what was missed is
      // left out.
      const int64_t period = int64_t{timer->Period} * 1'000'000;
      insert_timer_locked(timer, due + ((now - due) / period + 1) * period);
    }
    timer->Header.SignalState = 1;
    satisfy_waiters_locked(timer->Header);
    if (timer->Dpc != nullptr) queue_dpc_locked(timer->Dpc, nullptr, nullptr);
  }
  return INT64_MAX;
}

// Takes the next DPC out of its queue; what it is to be called with is copied, since the driver may
// reuse it at once.
bool next_dpc_locked(KDPC& copy, KDPC*& dpc) noexcept {
  if (g_first_dpc == nullptr) return false;
  dpc = g_first_dpc;
  unqueue_dpc_locked(dpc);
  copy = *dpc;
  // Marked under the lock: who unloads the driver and finds nothing queued waits for this one.
  g_thread.inside.store(Facility::image_of(reinterpret_cast<uint64_t>(copy.DeferredRoutine)),
                        MemoryOrder::Release);
  return true;
}

void run_dpc(KDPC* dpc, const KDPC& copy) {
  copy.DeferredRoutine(dpc, copy.DeferredContext, copy.SystemArgument1, copy.SystemArgument2);
  if (g_thread.irql != DISPATCH_LEVEL) {
    const auto routine = reinterpret_cast<uint64_t>(copy.DeferredRoutine);
    report_violation("irql", routine,
                     "the DPC " + Facility::describe(routine) + " returned at IRQL " +
                         std::to_string(g_thread.irql));
    set_irql(g_thread, DISPATCH_LEVEL);
  }
  g_thread.inside.store(nullptr, MemoryOrder::Release);
}

void* thread_main(void*) {
  pthread_setname_np(pthread_self(), "kebound-dpc");
  adopt_host_thread();
  g_thread.irql = DISPATCH_LEVEL;
  enter_thread(&g_thread);
  for (;;) {
    KDPC copy;
    KDPC* dpc = nullptr;
    bool run = false;
    int64_t next = 0;
    {
      const DispatcherLock lock;
      next = fire_timers_locked();
      run = next_dpc_locked(copy, dpc);
    }
    if (run) {
      run_dpc(dpc, copy);
    } else {
      g_parker.park(next);
    }
  }
}

// Called with the lock held after something was queued.
void notify_locked() noexcept {
  if (!g_started) {
    g_started = true;
    g_thread.parker = &g_parker;
    Facility::attach(g_thread);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    // The host's signals are not for this thread, but a fault of driver code on it is.
    for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    g_started = pthread_create(&thread, nullptr, thread_main, nullptr) == 0;
    if (g_started) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  g_parker.unpark();
}

// Whether the object, or what it would call, is of the image.
[[nodiscard]] bool belongs(const Image& image, const void* object,
                           PKDEFERRED_ROUTINE routine) noexcept {
  return image.contains_code(reinterpret_cast<uint64_t>(routine)) ||
         (address_of(object) >= image.base && address_of(object) < image.end);
}

}  // namespace

std::vector<std::string> cancel_deferred_of(const Image& image) {
  std::vector<std::string> found;
  const DispatcherLock lock;
  for (PLIST_ENTRY entry = g_timers.Flink; entry != &g_timers;) {
    KTIMER* timer = timer_of(entry);
    entry = entry->Flink;
    PKDEFERRED_ROUTINE routine = timer->Dpc != nullptr ? timer->Dpc->DeferredRoutine : nullptr;
    if (!belongs(image, timer, routine)) continue;
    remove_timer_locked(timer);
    found.push_back("the timer at " + hex(address_of(timer)) +
                    (routine != nullptr
                         ? " with DPC " + Facility::describe(reinterpret_cast<uint64_t>(routine))
                         : std::string()));
  }
  for (KDPC* dpc = g_first_dpc; dpc != nullptr;) {
    KDPC* next = dpc_of(dpc->DpcListEntry.Next);
    if (belongs(image, dpc, dpc->DeferredRoutine)) {
      unqueue_dpc_locked(dpc);
      found.push_back("the DPC " +
                      Facility::describe(reinterpret_cast<uint64_t>(dpc->DeferredRoutine)));
    }
    dpc = next;
  }
  return found;
}

bool deferred_in_range(uint64_t begin, uint64_t end) noexcept {
  const auto inside = [=](const void* object) {
    return address_of(object) >= begin && address_of(object) < end;
  };
  const DispatcherLock lock;
  for (PLIST_ENTRY entry = g_timers.Flink; entry != &g_timers; entry = entry->Flink) {
    if (inside(timer_of(entry))) return true;
  }
  for (const KDPC* dpc = g_first_dpc; dpc != nullptr; dpc = dpc_of(dpc->DpcListEntry.Next)) {
    if (inside(dpc)) return true;
  }
  return false;
}

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

VOID KeInitializeTimerEx(PKTIMER Timer, TIMER_TYPE Type) {
  *Timer = KTIMER{};
  initialize_header(
      Timer->Header,
      Type == NotificationTimer ? TimerNotificationObject : TimerSynchronizationObject,
      sizeof *Timer, 0);
}

VOID KeInitializeTimer(PKTIMER Timer) { KeInitializeTimerEx(Timer, NotificationTimer); }

BOOLEAN KeSetTimerEx(PKTIMER Timer, LARGE_INTEGER DueTime, LONG Period, PKDPC Dpc) {
  const int64_t due = deadline_ns(DueTime.QuadPart);
  const DispatcherLock lock(Timer);
  const bool was_set = is_set(*Timer);
  if (was_set) remove_timer_locked(Timer);
  Timer->Header.SignalState = 0;
  Timer->Dpc = Dpc;
  Timer->Period = Period > 0 ? static_cast<ULONG>(Period) : 0;
  insert_timer_locked(Timer, due);
  notify_locked();
  return was_set ? TRUE : FALSE;
}

BOOLEAN KeSetTimer(PKTIMER Timer, LARGE_INTEGER DueTime, PKDPC Dpc) {
  return KeSetTimerEx(Timer, DueTime, 0, Dpc);
}

BOOLEAN KeCancelTimer(PKTIMER Timer) {
  const DispatcherLock lock(Timer);
  const bool was_set = is_set(*Timer);
  if (was_set) remove_timer_locked(Timer);
  return was_set ? TRUE : FALSE;
}

BOOLEAN KeReadStateTimer(PKTIMER Timer) {
  const DispatcherLock lock(Timer);
  return Timer->Header.SignalState > 0 ? TRUE : FALSE;
}

VOID KeInitializeDpc(PRKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext) {
  *Dpc = KDPC{};
  Dpc->Type = 19;
  Dpc->Importance = MediumImportance;
  Dpc->DeferredRoutine = DeferredRoutine;
  Dpc->DeferredContext = DeferredContext;
}

BOOLEAN KeInsertQueueDpc(PRKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2) {
  const DispatcherLock lock(Dpc);
  const bool queued = queue_dpc_locked(Dpc, SystemArgument1, SystemArgument2);
  if (queued) notify_locked();
  return queued ? TRUE : FALSE;
}

BOOLEAN KeRemoveQueueDpc(PRKDPC Dpc) {
  const DispatcherLock lock(Dpc);
  return unqueue_dpc_locked(Dpc) ? TRUE : FALSE;
}

VOID KeSetImportanceDpc(PRKDPC Dpc, KDPC_IMPORTANCE Importance) {
  const DispatcherLock lock(Dpc);
  Dpc->Importance = static_cast<UCHAR>(Importance);
}

VOID KeSetTargetProcessorDpc(PRKDPC Dpc, CCHAR Number) {
  const DispatcherLock lock(Dpc);
  Dpc->Number = static_cast<USHORT>(Number);
}

VOID KeFlushQueuedDpcs(VOID) {
  const uint64_t caller = KEBOUND_CALLER();
  Thread& thread = require_thread(caller, "KeFlushQueuedDpcs");
  if (thread.irql != PASSIVE_LEVEL) {
    raise_bug_check(BugCheckCode::IrqlNotLessOrEqual, {0, thread.irql, 0, caller}, caller,
                    "KeFlushQueuedDpcs at IRQL " + std::to_string(thread.irql));
  }
  // A DPC of our own at the end of the queue: when it runs, all before it have.
  KEVENT done;
  KeInitializeEvent(&done, NotificationEvent, FALSE);
  KDPC marker;
  KeInitializeDpc(
      &marker,
      [](KDPC*, PVOID event, PVOID, PVOID) { KeSetEvent(static_cast<PKEVENT>(event), 0, FALSE); },
      &done);
  KeInsertQueueDpc(&marker, nullptr, nullptr);
  wait_for_object(thread, &done);
}

}  // extern "C"
