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
#include "hosts/inproc/runtime.h"
#include "hosts/inproc/thread_state.h"

namespace kebound::inproc {
namespace {

// The public structure begins as the decoders' does.
static_assert(offsetof(x86::Registers, rip) == offsetof(kebound_registers, ip));
static_assert(offsetof(x86::Registers, cs) == offsetof(kebound_registers, cs));
static_assert(offsetof(x86::Registers, gs) == offsetof(kebound_registers, gs));
static_assert(sizeof(x86::Registers) <= sizeof(kebound_registers));
static_assert(sizeof(kebound_registers) % sizeof(uint64_t) == 0);

kebound_registers to_public(const x86::Registers& registers) noexcept {
  kebound_registers result;
  memcpy(&result, &registers, sizeof registers);
  result.index_corrected = 0;
  return result;
}

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

// After each callback of a chain, so it counts: all of it in vector registers, without a branch.
[[gnu::always_inline]] inline bool differ(const kebound_registers& a,
                                          const kebound_registers& b) noexcept {
  using Vector [[gnu::vector_size(16)]] = long long;
  static_assert(sizeof a % sizeof(Vector) == 0);
  Vector difference{};
#pragma GCC unroll 16
  for (size_t i = 0; i < sizeof a; i += sizeof(Vector)) {
    Vector left;
    Vector right;
    memcpy(&left, reinterpret_cast<const char*>(&a) + i, sizeof left);
    memcpy(&right, reinterpret_cast<const char*>(&b) + i, sizeof right);
    difference |= left ^ right;
  }
  return (difference[0] | difference[1]) != 0;
}

// One exception on its way.
struct Exception {
  ThreadState& state;
  const Trap& trap;
  const kebound_event& event;
  const kebound_registers& before;
  kebound_registers registers;  // as callbacks make them
  Answers answers;

  RawAnswer ask(const Registration& registration) noexcept {
    const RawAnswer answer =
        registration.context == &kNtRoutine
            ? call_nt_routine(state, registration.routine, registers)
            : static_cast<RawAnswer>(reinterpret_cast<kebound_callback>(registration.routine)(
                  &event, &registers, registration.context));
    const bool publishing = is_publishing();
    if (answer != kAnswerContinueSearch && !publishing) return answer;
    const bool edited = differ(registers, before);
    if (publishing) answers.add(registration.routine, answer, edited);
    if (answer == kAnswerContinueSearch && edited) undo(registration);
    return answer;
  }

  [[gnu::cold]] void undo(const Registration& registration) noexcept {
    static constinit Atomic<uint32_t> told{0};
    // Without a ring that is a line on the program's standard error: once.
    if (is_publishing() || told.exchange(1, MemoryOrder::Relaxed) == 0) {
      report_violation("edit-without-handled",
                       "a callback changed registers and answered ContinueSearch",
                       reinterpret_cast<uintptr_t>(registration.routine));
    }
    if (settings().profile != KEBOUND_PROFILE_WINDOWS) registers = before;
  }

  void publish(unsigned disposition, const char* reason = "") const noexcept {
    const bool terminated = disposition == KEBOUND_DISPOSITION_TERMINATED;
    publish_exception(event, before, terminated ? before : registers, answers, disposition, reason);
  }

  [[nodiscard]] const int64_t* corrected_index() const noexcept {
    return registers.index_corrected != 0 ? &state.corrected_index : nullptr;
  }
};

[[noreturn, gnu::cold, gnu::noinline]] void nested_exception(ThreadState& state,
                                                             uint64_t ip) noexcept {
  Registration inside;
  const bool known = registry().find(state.context.current(), inside);
  const uint64_t routine = known ? reinterpret_cast<uintptr_t>(inside.routine) : 0;
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

x86::Registers from_public(const kebound_registers& registers) noexcept {
  x86::Registers result;
  memcpy(static_cast<void*>(&result), &registers, sizeof result);
  return result;
}

enum class Next { Resume, Propagate };

// All of a plan's writes or none: a half corrected index would be worse than an exception.
[[nodiscard]] bool carry_out_writes(const x86::ResumePlan& plan) noexcept {
  uint64_t before[x86::kMaxIndexPlaces];
  size_t done = 0;
  const auto pointer = [](uint64_t address) {
    return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  };
  for (; done < plan.write_count; ++done) {
    const x86::MemoryWrite& write = plan.writes[done];
    if (kebound_copy(&before[done], pointer(write.address), write.size) != write.size ||
        kebound_copy(pointer(write.address), &write.value, write.size) != write.size) {
      break;
    }
  }
  if (done == plan.write_count) return true;
  while (done-- > 0) {
    kebound_copy(pointer(plan.writes[done].address), &before[done], plan.writes[done].size);
  }
  return false;
}

// Nothing that the callbacks wanted of the thread happens.
Next refuse(Exception& exception, const char* why, Doubt doubt = Doubt::None) noexcept {
  exception.state.livelock.forget();
  exception.registers = exception.before;
  Line words;
  words.text("handled refused: ").text(why);
  if (doubt != Doubt::None) words.text(": ").text(doubt_text(doubt));
  exception.publish(KEBOUND_DISPOSITION_PROPAGATED, words.c_str());
  // Without a report of exceptions it would be a silent refusal.
  if (!is_publishing()) report_violation("handled-refused", why, exception.event.ip);
  return Next::Propagate;
}

Next resume(Exception& exception, ucontext_t& context) noexcept {
  const Trap& trap = exception.trap;
  x86::Registers seen = trap.registers;
  seen.rip = trap.event.ip;
  x86::Registers resumed = from_public(exception.registers);
  const x86::ResumePlan plan =
      plan_resumption(trap.event, trap.recovery, seen, exception.corrected_index(), resumed);
  if (plan.verdict != x86::Resumption::Resume) {
    const bool has_doubt = plan.verdict == x86::Resumption::NotResumable;
    return refuse(exception, resumption_text(plan.verdict),
                  has_doubt ? trap.event.doubt : Doubt::None);
  }
  if (exception.state.livelock.observe(seen, resumed, settings().livelock_limit)) {
    livelock(exception);
  }
  if (!carry_out_writes(plan))
    return refuse(exception, "the index is in memory that cannot be written");
  write_registers(resumed, context);
  exception.registers = to_public(resumed);
  exception.publish(KEBOUND_DISPOSITION_HANDLED);
  return Next::Resume;
}

Next carry_out(Exception& exception, const DispatchOutcome& outcome, ucontext_t& context) noexcept {
  switch (outcome.verdict) {
    case Verdict::NotHandled:
      exception.state.livelock.forget();
      exception.publish(KEBOUND_DISPOSITION_PROPAGATED);
      // Only the windows profile lets edits through to here.
      if (differ(exception.registers, exception.before)) {
        x86::Registers leaked = from_public(exception.registers);
        if (leaked.rip == exception.event.ip) leaked.rip = exception.trap.registers.rip;
        write_registers(leaked, context);
      }
      return Next::Propagate;
    case Verdict::Handled:
      return resume(exception, context);
    case Verdict::Error:
      exception.publish(KEBOUND_DISPOSITION_TERMINATED);
      kill_process();
    case Verdict::InvalidAnswer:
      invalid_answer(exception, outcome);
  }
  return Next::Propagate;
}

Next dispatch(const Trap& trap, ucontext_t& context) noexcept {
  ThreadState* const state = claim_thread_state(registry());
  if (state == nullptr) {
    report_violation("no-memory", "no callback was asked about an exception", trap.event.ip);
    return Next::Propagate;
  }
  if (state->context.dispatching()) nested_exception(*state, trap.event.ip);
  const kebound_event event = to_public(trap.event);
  kebound_registers before = to_public(trap.registers);
  before.ip = trap.event.ip;
  Exception exception{*state, trap, event, before, before, {}};
  state->asked_event = &event;
  state->asked_registers = &exception.registers;
  const DispatchOutcome outcome =
      registry().dispatch(state->context, [&](const Registration& r) { return exception.ask(r); });
  state->asked_event = nullptr;
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
    const Next next = dispatch(trap, context);
    errno = saved;
    if (next == Next::Resume) return;
    if (kebound_guard* const guard = innermost_guard()) leave_guarded_region(*guard, trap.event);
  }
  errno = saved;
  deliver(signal, info, &context);
}
