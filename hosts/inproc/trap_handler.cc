// SPDX-License-Identifier: Apache-2.0
//
// The way of one exception: signal -> event -> callbacks -> registers, guard or the program's own
// handler. All of it runs in the signal's handler: no allocation, no lock, errno kept.
#include <errno.h>
#include <string.h>

#include "hosts/inproc/bug_check.h"
#include "hosts/inproc/chain.h"
#include "hosts/inproc/classify.h"
#include "hosts/inproc/nt_frame.h"
#include "hosts/inproc/publish.h"
#include "hosts/inproc/register_image.h"
#include "hosts/inproc/runtime.h"
#include "hosts/inproc/thread_state.h"

namespace kebound::inproc {
namespace {

kebound_event to_public(const BoundEvent& event) noexcept {
  kebound_event result;
  memset(result.reserved, 0, sizeof result.reserved);
  result.size = sizeof result;
  result.source = static_cast<uint8_t>(event.source);
  result.confidence = static_cast<uint8_t>(event.confidence);
  result.instruction_length = event.instruction_length;
  result.index_register = event.index_register;
  result.index_width = event.index_width;
  result.ip = event.ip;
  result.index = event.index;
  result.lower = event.lower;
  result.upper = event.upper;
  result.bounds_address = event.bounds_address;
  return result;
}

// One exception on its way.
struct Exception {
  ThreadState& state;
  const kebound_event& event;
  const RegisterImage& before;
  const bool publishing;
  RegisterImage now;  // as callbacks make them
  Answers answers;

  Exception(ThreadState& of_thread, const kebound_event& what,
            const RegisterImage& at_fault) noexcept
      : state(of_thread),
        event(what),
        before(at_fault),
        publishing(is_publishing()),
        now(at_fault) {}  // answers: not zeroed, most exceptions need none

  DispatchOutcome ask_all() noexcept { return publishing ? ask_chain<true>() : ask_chain<false>(); }

  [[gnu::cold, gnu::noinline]] void undo(const Registration& registration) noexcept {
    static constinit Atomic<uint32_t> told{0};
    // Without a ring that is a line on the program's standard error: once.
    if (publishing || told.exchange(1, MemoryOrder::Relaxed) == 0) {
      report_violation("edit-without-handled",
                       "a callback changed registers and answered ContinueSearch",
                       reinterpret_cast<uintptr_t>(registration.routine));
    }
    if (settings().profile != KEBOUND_PROFILE_WINDOWS) now = before;
  }

  void publish(unsigned disposition, const char* reason = "") const noexcept {
    if (!publishing) return;
    const bool terminated = disposition == KEBOUND_DISPOSITION_TERMINATED;
    publish_exception(event, before.shown, terminated ? before.shown : now.shown, answers,
                      disposition, reason);
  }

 private:
  // Twice, because a long chain feels each instruction.
  template <bool kPublishing>
  DispatchOutcome ask_chain() noexcept {
    return registry().dispatch(state.context,
                               [this](const Registration& r) { return ask<kPublishing>(r); });
  }

  template <bool kPublishing>
  RawAnswer ask(const Registration& registration) noexcept {
    const RawAnswer answer =
        registration.context == &kNtRoutine
            ? call_nt_routine(state, registration.routine, now.shown)
            : static_cast<RawAnswer>(reinterpret_cast<kebound_callback>(registration.routine)(
                  &event, &now.shown, registration.context));
    if (!kPublishing && answer != kAnswerContinueSearch) return answer;
    const bool edited = differ(now, before);
    if (kPublishing) answers.add(registration.routine, answer, edited);
    if (answer == kAnswerContinueSearch && edited) undo(registration);
    return answer;
  }
};

[[noreturn, gnu::cold, gnu::noinline]] void nested_exception(uint64_t ip) noexcept {
  const uint64_t routine = routine_inside();
  Line words;
  words.text("a bound exception at ").place(ip).text(" on a thread that is inside a callback");
  bug_check({kUnexpectedKernelModeTrap, {kTrapBoundRange, 0, routine, ip}, routine, words.c_str()});
}

[[noreturn, gnu::cold, gnu::noinline]] void invalid_answer(
    const Exception& exception, const DispatchOutcome& outcome) noexcept {
  const uint64_t routine = reinterpret_cast<uintptr_t>(outcome.decided_by.routine);
  Line words;
  words.text("a callback returned ").decimal(outcome.answer).text(", which is no answer");
  exception.publish(KEBOUND_DISPOSITION_TERMINATED);
  bug_check({kUnexpectedKernelModeTrap,
             {kTrapBoundRange, outcome.answer, routine, exception.event.ip},
             routine,
             words.c_str()});
}

[[noreturn, gnu::cold, gnu::noinline]] void livelock(const Exception& exception) noexcept {
  constexpr const char* kReason =
      "handled too often in a row at the same place with the same registers";
  exception.publish(KEBOUND_DISPOSITION_TERMINATED, "livelock");
  report_violation("livelock", kReason, exception.event.ip);
  kill_process();
}

enum class Next { Resume, Propagate };

Next carry_out(Exception& exception, const DispatchOutcome& outcome, ucontext_t& context) noexcept {
  switch (outcome.verdict) {
    case Verdict::NotHandled:
      exception.state.livelock.forget();
      exception.publish(KEBOUND_DISPOSITION_PROPAGATED);
      // Only the windows profile lets edits through to here.
      if (differ(exception.now, exception.before)) {
        write_registers(exception.now.decoded, context);
      }
      return Next::Propagate;
    case Verdict::Handled: {
      const x86::Registers& resumed = exception.now.decoded;
      if (exception.state.livelock.observe(exception.before.decoded, resumed,
                                           settings().livelock_limit)) {
        livelock(exception);
      }
      write_registers(resumed, context);
      exception.publish(KEBOUND_DISPOSITION_HANDLED);
      return Next::Resume;
    }
    case Verdict::Error:
      exception.publish(KEBOUND_DISPOSITION_TERMINATED);
      kill_process();
    case Verdict::InvalidAnswer:
      invalid_answer(exception, outcome);
  }
  return Next::Propagate;
}

Next dispatch(const BoundEvent& bound, RegisterImage& fault, ucontext_t& context) noexcept {
  ThreadState* const state = claim_thread_state(registry());
  if (state == nullptr) {
    report_violation("no-memory", "no callback was asked about an exception", bound.ip);
    return Next::Propagate;
  }
  if (state->context.dispatching()) nested_exception(bound.ip);
  const kebound_event event = to_public(bound);
  fault.shown.reserved = 0;
  Exception exception(*state, event, fault);
  const DispatchOutcome outcome = exception.ask_all();
  return carry_out(exception, outcome, context);
}

[[noreturn]] void leave_guarded_region(kebound_guard& guard, const BoundEvent& event) noexcept {
  innermost_guard() = guard.outer;
  guard.event = to_public(event);
  siglongjmp(guard.jump, 1);
}

// A fault inside a routine of NT's type: the program's handler gets the program's gs.
void deliver(int signal, siginfo_t* info, ucontext_t* context) noexcept {
  ThreadState* const state = current_thread_state();
  if (state == nullptr || !state->in_nt_callback) return deliver_to_program(signal, info, context);
  state->in_nt_callback = false;
  leave_nt(state->program_gs);
  deliver_to_program(signal, info, context);
  enter_nt(state->kpcr, state->program_gs);
  state->in_nt_callback = true;
}

}  // namespace
}  // namespace kebound::inproc

void kebound_on_signal(int signal, siginfo_t* info, void* opaque) noexcept {
  using namespace kebound;
  using namespace kebound::inproc;
  auto& context = *static_cast<ucontext_t*>(opaque);
  if (signal == SIGSEGV && resume_copy(context)) return;
  const int saved = errno;
  RegisterImage fault;
  BoundEvent event;
  if (is_bound_exception(signal, *info, context, fault.decoded, event)) {
    const Next next = dispatch(event, fault, context);
    errno = saved;
    if (next == Next::Resume) return;
    if (kebound_guard* const guard = innermost_guard()) leave_guarded_region(*guard, event);
  }
  errno = saved;
  deliver(signal, info, &context);
}
