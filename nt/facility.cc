// SPDX-License-Identifier: Apache-2.0
#include "nt/facility.h"

#include <string.h>

#include <algorithm>

#include "include/nt/kebound_nt/loader_entry.h"
#include "nt/facility_state.h"
#include "nt/image_list.h"
#include "nt/report.h"

namespace kebound::nt {

namespace {

constinit Registry g_registry;
constinit Profile g_profile = Profile::Default;
constinit Atomic<Thread*> g_threads;

// The opaque process object that threads without one of their own belong to.
constinit uint64_t g_system_process[8] = {};

// Per slot, the last registration that was reported for editing without handling.
constinit Atomic<Handle> g_edit_reported[kMaxRegistrations];

[[gnu::cold, gnu::noinline]] void report_edit(const Registration& registration) {
  Atomic<Handle>& reported = g_edit_reported[registration.handle % kMaxRegistrations];
  if (reported.exchange(registration.handle) == registration.handle) return;
  const uint64_t routine = address_of(registration.routine);
  report_violation(
      "edit-without-handled", routine,
      Facility::describe(routine) +
          " edited the trap frame and returned BoundExceptionContinueSearch; " +
          (g_profile == Profile::Windows ? "the edit reaches whoever is asked next, and the user"
                                         : "the edit was undone"));
}

[[gnu::cold, gnu::noinline]] void report_irql(const Registration& registration, KIRQL before,
                                              KIRQL after) {
  const uint64_t routine = address_of(registration.routine);
  report_violation("irql", routine,
                   Facility::describe(routine) + " was called at IRQL " + std::to_string(before) +
                       " and returned at IRQL " + std::to_string(after) + "; it was restored");
}

[[gnu::cold, gnu::noinline]] void report_critical_region(const Registration& registration) {
  const uint64_t routine = address_of(registration.routine);
  report_violation("critical-region", routine,
                   Facility::describe(routine) +
                       " returned with kernel APCs disabled more or less often than it was called "
                       "with; it was restored");
}

[[noreturn, gnu::cold, gnu::noinline]] void invalid_answer(const Registration& registration,
                                                           RawAnswer answer,
                                                           const KTRAP_FRAME& frame) {
  const uint64_t routine = address_of(registration.routine);
  raise_bug_check(BugCheckCode::UnexpectedKernelModeTrap, {kTrapBound, answer, routine, frame.Rip},
                  routine,
                  Facility::describe(routine) + " returned " + std::to_string(answer) +
                      ", which is no BOUND_CALLBACK_STATUS");
}

[[noreturn, gnu::cold, gnu::noinline]] void nested_exception(const Thread& thread,
                                                             const KTRAP_FRAME& frame) {
  Registration inside;
  const bool known = g_registry.find(thread.dispatch_context.current(), inside);
  const uint64_t routine = known ? address_of(inside.routine) : 0;
  raise_bug_check(
      BugCheckCode::UnexpectedKernelModeTrap, {kTrapBound, 0, routine, frame.Rip}, routine,
      "a bound exception at " + Facility::describe(frame.Rip) + " on a thread that is inside " +
          (known ? Facility::describe(routine) : std::string("a callback")) + " already");
}

}  // namespace

void Facility::configure(Profile profile, uint16_t instance_tag) noexcept {
  g_profile = profile;
  g_registry.configure(profile == Profile::Windows ? 1 : kMaxRegistrations, instance_tag);
}

Profile Facility::profile() noexcept { return g_profile; }

Registry& Facility::registry() noexcept { return g_registry; }

void Facility::attach(Thread& thread) noexcept {
  DISPATCHER_HEADER& header = thread.kthread.Header;
  header.Type = ThreadObject;
  header.Size = sizeof(KTHREAD) / sizeof(ULONG) > 0xff ? 0 : sizeof(KTHREAD) / sizeof(ULONG);
  header.SignalState = 0;
  InitializeListHead(&header.WaitListHead);
  if (thread.kthread.Process == nullptr)
    thread.kthread.Process = reinterpret_cast<PKPROCESS>(g_system_process);
  g_registry.attach(thread.dispatch_context);
  Thread* head = g_threads.load(MemoryOrder::Relaxed);
  do {
    thread.next_attached = head;
  } while (!g_threads.compare_exchange(head, &thread, MemoryOrder::Release));
}

Thread* first_attached() noexcept { return g_threads.load(MemoryOrder::Acquire); }

DispatchOutcome Facility::dispatch(Thread& thread, const BoundEvent& event, KTRAP_FRAME& frame,
                                   AnswerLog* log) {
  if (thread.dispatch_context.dispatching()) nested_exception(thread, frame);

  const KTRAP_FRAME original = frame;
  KTHREAD& kthread = thread.kthread;
  const PKTRAP_FRAME frame_before = kthread.TrapFrame;
  const CHAR mode_before = kthread.PreviousMode;
  const ULONG apc_before = kthread.CombinedApcDisable;
  const BoundEvent* const event_before = thread.event;
  const KIRQL irql = thread.irql;

  kthread.TrapFrame = &frame;
  kthread.PreviousMode = UserMode;
  --kthread.KernelApcDisable;
  const ULONG apc_inside = kthread.CombinedApcDisable;
  thread.event = &event;
  thread.corrected_index.reset();
  if (log != nullptr) log->count = 0;

  const auto ask = [&](const Registration& registration) -> RawAnswer {
    const auto* image = static_cast<const Image*>(registration.context);
    RawAnswer answer;
    {
      const ScopedInside inside(thread, image);
      answer = static_cast<RawAnswer>(reinterpret_cast<PBOUND_CALLBACK>(registration.routine)());
    }
    const bool edited =
        memcmp(&frame, &original, sizeof frame) != 0 || thread.corrected_index.has_value();
    if (log != nullptr && log->count < kMaxRegistrations) {
      log->entries[log->count++] = {image, registration.routine, answer, edited};
    }
    if (thread.irql != irql) [[unlikely]] {
      report_irql(registration, irql, thread.irql);
      set_irql(thread, irql);
    }
    if (kthread.CombinedApcDisable != apc_inside) [[unlikely]] {
      report_critical_region(registration);
      kthread.CombinedApcDisable = apc_inside;
    }
    if (edited && answer == kAnswerContinueSearch) [[unlikely]] {
      report_edit(registration);
      if (g_profile == Profile::Default) frame = original;
      thread.corrected_index.reset();
    }
    return answer;
  };
  const DispatchOutcome outcome = g_registry.dispatch(thread.dispatch_context, ask);

  if (outcome.verdict == Verdict::InvalidAnswer)
    invalid_answer(outcome.decided_by, outcome.answer, frame);
  // Who answers Error does not resume, so its edits count for nothing.
  if (outcome.verdict == Verdict::Error && g_profile == Profile::Default) frame = original;

  thread.event = event_before;
  kthread.CombinedApcDisable = apc_before;
  kthread.PreviousMode = mode_before;
  kthread.TrapFrame = frame_before;
  return outcome;
}

}  // namespace kebound::nt
