// SPDX-License-Identifier: Apache-2.0
//
// The way of one exception: signal -> event -> callbacks -> registers, guard or the program's own
// handler. All of it runs in the signal's handler: no allocation, no lock, errno kept.
#include "hosts/inproc/trap_handler.h"

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
#include "trap/x86/resume_writes.h"

namespace kebound::inproc {
namespace {

kebound_event to_public(const BoundEvent& event) noexcept {
  kebound_event result{};
  result.size = sizeof result;
  result.source = static_cast<uint8_t>(event.source);
  result.confidence = static_cast<uint8_t>(event.confidence);
  result.instruction_length = event.instruction_length;
  result.index_register = event.index_register;
  result.index_width = event.index_width;
  result.check = static_cast<uint8_t>(event.check);
  result.resumable = event.resumable;
  result.doubt = static_cast<uint8_t>(event.doubt);
  result.ip = event.ip;
  result.index = event.index;
  result.lower = event.lower;
  result.upper = event.upper;
  result.bounds_address = event.bounds_address;
  result.trap_ip = event.trap_ip;
  result.index_raw = event.index_raw;
  result.index_address = event.index_address;
  result.line_ip = event.line_ip;
  return result;
}

// What a thread is resumed by: the context of its signal, or what the entry of the function that it
// called goes on with.
class Thread {
 public:
  explicit Thread(ucontext_t& context) noexcept : context_(&context) {}
  explicit Thread(x86::Registers& registers) noexcept : registers_(&registers) {}

  // An entry keeps the registers on the stack that it was called on, and restores them from there.
  [[nodiscard]] bool can_resume(const x86::Registers& seen,
                                const x86::Registers& wanted) const noexcept {
    return context_ != nullptr || wanted.gpr[x86::Rsp] >= seen.gpr[x86::Rsp];
  }
  void resume(const x86::Registers& wanted) noexcept {
    if (context_ != nullptr) {
      write_registers(wanted, *context_);
    } else {
      *registers_ = wanted;
    }
  }
  // Where an exception is propagated, it goes on at the trap, or inside the function.
  [[nodiscard]] bool is_inside() const noexcept { return context_ == nullptr; }

 private:
  ucontext_t* context_ = nullptr;
  x86::Registers* registers_ = nullptr;
};

// One exception on its way.
struct Exception {
  ThreadState& state;
  const Trap& trap;
  const kebound_event& event;
  const RegisterImage& before;
  const bool publishing;
  RegisterImage now;  // as callbacks make them
  Answers answers;

  Exception(ThreadState& of_thread, const Trap& what, const kebound_event& shown,
            const RegisterImage& at_fault) noexcept
      : state(of_thread),
        trap(what),
        event(shown),
        before(at_fault),
        publishing(is_publishing()),
        now(at_fault) {}  // answers: not zeroed, most exceptions need none

  DispatchOutcome ask_all() noexcept { return publishing ? ask_chain<true>() : ask_chain<false>(); }

  // As a rule that keeps quiet about what it does has it, unless something else was done.
  [[nodiscard]] bool is_reported(unsigned disposition) const noexcept {
    RuleNote& note = state.rule;
    if (note.is_reported) return true;
    if (disposition == note.wanted ||
        (note.is_counted && disposition != KEBOUND_DISPOSITION_TERMINATED)) {
      return false;
    }
    rules::report_after_all(*note.counts, note.is_counted);
    return note.is_reported = true;
  }

  void publish(unsigned disposition, const char* reason = "") const noexcept {
    if (!publishing || !is_reported(disposition)) return;
    const bool terminated = disposition == KEBOUND_DISPOSITION_TERMINATED;
    publish_exception(event, before.shown, terminated ? before.shown : now.shown, answers,
                      disposition, reason, trap.detail);
  }

  void publish_propagated() const noexcept {
    if (state.refused == nullptr) return publish(KEBOUND_DISPOSITION_PROPAGATED);
    Line words;
    words.text(state.refused).text(" refused: ").text(state.refused_because);
    publish(KEBOUND_DISPOSITION_PROPAGATED, words.c_str());
  }

  // Once for each exception that is handled.
  [[nodiscard]] bool is_livelock() noexcept {
    return state.livelock.observe(before.decoded, now.decoded, settings().livelock_limit);
  }

  [[nodiscard]] const int64_t* corrected_index() const noexcept {
    return now.shown.index_corrected != 0 ? &state.corrected_index : nullptr;
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

[[nodiscard]] bool carry_out_writes(const x86::ResumePlan& plan) noexcept {
  const auto pointer = [](uint64_t address) {
    return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  };
  return x86::carry_out_writes(
      plan,
      [&](uint64_t at, void* into, size_t size) {
        return kebound_copy(into, pointer(at), size) == size;
      },
      [&](uint64_t at, const void* from, size_t size) {
        return kebound_copy(pointer(at), from, size) == size;
      });
}

// Nothing that the callbacks wanted of the thread happens.
Next refuse(Exception& exception, const char* why, Doubt doubt = Doubt::None) noexcept {
  exception.state.livelock.forget();
  exception.now = exception.before;
  Line words;
  words.text("handled refused: ").text(why);
  if (doubt != Doubt::None) words.text(": ").text(doubt_text(doubt));
  exception.publish(KEBOUND_DISPOSITION_PROPAGATED, words.c_str());
  // Without a report of exceptions it would be a silent refusal.
  if (!exception.publishing) report_violation("handled-refused", why, exception.event.ip);
  return Next::Propagate;
}

// A compiler's check: its instruction and what follows are not what failed, so that takes a plan.
[[nodiscard, gnu::noinline]] x86::ResumePlan plan(Exception& exception) noexcept {
  return plan_resumption(exception.trap.event, exception.trap.recovery, exception.before.decoded,
                         exception.corrected_index(), exception.now.decoded);
}

Next resume(Exception& exception, Thread& thread) noexcept {
  const BoundEvent& event = exception.trap.event;
  const bool planned = event.source != BoundSource::X86Bound && event.source != BoundSource::X86Mpx;
  if (planned) {
    // Memory is written last: only for a thread that does go on.
    const x86::ResumePlan way = plan(exception);
    if (way.verdict != x86::Resumption::Resume) {
      const bool has_doubt = way.verdict == x86::Resumption::NotResumable;
      return refuse(exception, resumption_text(way.verdict), has_doubt ? event.doubt : Doubt::None);
    }
    if (!thread.can_resume(exception.before.decoded, exception.now.decoded)) {
      return refuse(exception, "the stack pointer was moved down");
    }
    if (exception.is_livelock()) livelock(exception);
    if (!carry_out_writes(way)) return refuse(exception, x86::kWritesRefused);
  } else if (exception.is_livelock()) {
    livelock(exception);
  }
  thread.resume(exception.now.decoded);
  exception.now.shown.index_corrected = 0;
  exception.publish(KEBOUND_DISPOSITION_HANDLED);
  return Next::Resume;
}

Next carry_out(Exception& exception, const DispatchOutcome& outcome, Thread& thread) noexcept {
  switch (outcome.verdict) {
    case Verdict::NotHandled:
      exception.state.livelock.forget();
      exception.publish_propagated();
      // Only the windows profile lets edits through to here.
      if (!thread.is_inside() && differ(exception.now, exception.before)) {
        x86::Registers leaked = exception.now.decoded;
        if (leaked.rip == exception.event.ip) leaked.rip = exception.trap.registers.rip;
        thread.resume(leaked);
      }
      return Next::Propagate;
    case Verdict::Handled:
      return resume(exception, thread);
    case Verdict::Error:
      exception.publish(KEBOUND_DISPOSITION_TERMINATED);
      kill_process();
    case Verdict::InvalidAnswer:
      invalid_answer(exception, outcome);
  }
  return Next::Propagate;
}

Next dispatch(const Trap& trap, Thread thread) noexcept {
  ThreadState* const state = claim_thread_state(registry());
  if (state == nullptr) {
    report_violation("no-memory", "no callback was asked about an exception", trap.event.ip);
    return Next::Propagate;
  }
  if (state->context.dispatching()) nested_exception(trap.event.ip);
  const kebound_event event = to_public(trap.event);
  RegisterImage before;
  before.decoded = trap.registers;
  before.shown.ip = trap.event.ip;
  before.shown.index_corrected = 0;
  Exception exception(*state, trap, event, before);
  state->rule = {};
  state->asked_event = &event;
  state->refused = nullptr;
  state->asked_registers = &exception.now.shown;
  const DispatchOutcome outcome = exception.ask_all();
  state->asked_event = nullptr;
  return carry_out(exception, outcome, thread);
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

bool dispatch_call(const calls::CallEvent& call, x86::Registers& resumed) noexcept {
  Trap trap{call.at_call, call.event, call.recovery, {}};
  static_assert(sizeof trap.detail == sizeof call.detail);
  memcpy(trap.detail, call.detail, sizeof trap.detail);
  if (dispatch(trap, Thread(resumed)) == Next::Resume) return true;
  if (kebound_guard* const guard = innermost_guard()) leave_guarded_region(*guard, trap.event);
  return false;
}

}  // namespace kebound::inproc

kebound_status kebound_set_index(const kebound_event* event, kebound_registers* registers,
                                 int64_t index) {
  using namespace kebound;
  using namespace kebound::inproc;
  ThreadState* const state = current_thread_state();
  if (event == nullptr || state == nullptr || state->asked_event != event ||
      state->asked_registers != registers) {
    return KEBOUND_INVALID_ARGUMENT;
  }
  if (!event->resumable || event->confidence == KEBOUND_CONFIDENCE_UNKNOWN) {
    return KEBOUND_NOT_SUPPORTED;
  }
  if (event->source == KEBOUND_SOURCE_X86_BOUND) {
    uint64_t& gpr = registers->gpr[event->index_register & 15];
    const uint64_t mask = event->index_width == 16 ? 0xffff : 0xffffffff;
    gpr = (gpr & ~mask) | (static_cast<uint64_t>(index) & mask);
    return KEBOUND_OK;
  }
  state->corrected_index = index;
  registers->index_corrected = 1;
  return KEBOUND_OK;
}

const char* kebound_doubt_text(unsigned doubt) {
  using namespace kebound;
  return doubt <= static_cast<unsigned>(kLastDoubt) ? doubt_text(static_cast<Doubt>(doubt))
                                                    : "unknown";
}

void kebound_on_signal(int signal, siginfo_t* info, void* opaque) noexcept {
  using namespace kebound;
  using namespace kebound::inproc;
  auto& context = *static_cast<ucontext_t*>(opaque);
  if (signal == SIGSEGV && resume_copy(context)) return;
  const int saved = errno;
  Trap trap;
  if (is_bound_exception(signal, *info, context, trap)) {
    const Next next = dispatch(trap, Thread(context));
    errno = saved;
    if (next == Next::Resume) return;
    if (kebound_guard* const guard = innermost_guard()) leave_guarded_region(*guard, trap.event);
  }
  errno = saved;
  deliver(signal, info, &context);
}
