// SPDX-License-Identifier: Apache-2.0
//
// Everything between a trap and the callbacks that are asked in it is in one piece here: the program
// waits for each instruction.
#include "hosts/linux_module/in_trap.h"

#include <string.h>

#include <new>

#include "hosts/kernel/user_return.h"
#include "hosts/linux_module/classify.h"
#include "hosts/linux_module/complaints.h"
#include "hosts/linux_module/device.h"
#include "hosts/linux_module/native.h"
#include "hosts/linux_module/publish.h"
#include "nt/report.h"
#include "trap/x86/resume.h"

namespace kebound::linux_module {

constinit Registry g_atomic;

namespace {

constexpr uint16_t kAtomicTag = 1;  // of handles; the NT face's have 0

constinit DispatchContext* g_contexts = nullptr;  // one for each processor
constinit void* g_contexts_memory = nullptr;

// The registers of a trap can be had again: those that callbacks are shown are theirs to edit, and
// nobody keeps a copy on the way of each exception.
struct Trapped {
  const void* trap;
  uint64_t fs_base;  // as far as the check used them: the kernel does not keep them with the rest
  uint64_t gs_base;

  [[gnu::noinline]] void read(x86::Registers& registers) const noexcept {
    kb_registers_at(trap, reinterpret_cast<kb_registers*>(&registers));
    registers.fs_base = fs_base;
    registers.gs_base = gs_base;
  }
};

// Out of the way: BOUND is always resumable, and the plan is some hundred bytes.
[[nodiscard, gnu::cold, gnu::noinline]] bool may_resume(const Registration& who,
                                                        const BoundEvent& event,
                                                        x86::Registers& wanted,
                                                        const x86::Registers& before) {
  const x86::ResumePlan plan = x86::plan_resumption(event, {}, before, nullptr, wanted);
  if (plan.verdict == x86::Resumption::Resume) return true;
  complain_once(who, "handled-refused", x86::resumption_text(plan.verdict));
  return false;
}


// Its answer was none: a bug check. It is not asked again; the rest is for its module to remove.
void disable_atomic(const DispatchOutcome& outcome, uint64_t ip) noexcept {
  auto& native = *static_cast<Native*>(outcome.decided_by.context);
  native.disabled.store(1, MemoryOrder::Relaxed);
  report_bug_check({.code = static_cast<uint32_t>(nt::BugCheckCode::UnexpectedKernelModeTrap),
                    .parameters = {kVectorBound, outcome.answer,
                                   reinterpret_cast<uint64_t>(native.callback), ip},
                    .driver = {},
                    .callback = nt::Facility::describe(reinterpret_cast<uint64_t>(native.callback)),
                    .explanation = "the callback's answer is none",
                    .pid = kb_current_pid(),
                    .tid = kb_current_tid()});
}

void publish_atomic(const BoundEvent& event, const x86::Registers& before,
                    const x86::Registers& after, unsigned disposition,
                    const DispatchOutcome& outcome) noexcept {
  publish_exception(event, before, after,
                    {disposition, outcome.asked, outcome.decided_by.routine, outcome.answer, ""},
                    false);
}

// Handled, and there is something to be looked at, or somebody who looks.
[[nodiscard, gnu::noinline]] kb_trap_result accept_in_trap(const BoundEvent& event,
                                                           const DispatchOutcome& outcome,
                                                           const Trapped& trapped,
                                                           x86::Registers& registers) {
  x86::Registers before;
  trapped.read(before);
  keep_native_edits(before, registers);
  if (!acceptable(outcome.decided_by, event, registers, before)) {
    registers = before;
    return kKbNotOurs;
  }
  publish_atomic(event, before, registers, KEBOUND_DISPOSITION_HANDLED, outcome);
  return kKbResume;
}

[[nodiscard, gnu::noinline]] kb_trap_result kill_in_trap(const BoundEvent& event,
                                                         const DispatchOutcome& outcome,
                                                         const x86::Registers& registers) {
  if (outcome.verdict == Verdict::InvalidAnswer) disable_atomic(outcome, registers.rip);
  kb_kill_current();
  publish_atomic(event, registers, registers, KEBOUND_DISPOSITION_TERMINATED, outcome);
  return kKbKilled;
}

}  // namespace

bool acceptable(const Registration& who, const BoundEvent& event,
                              x86::Registers& wanted, const x86::Registers& before) {
  if (!event.resumable && !may_resume(who, event, wanted, before)) return false;
  if (const char* why = objection_to_return(wanted, before, kb_user_end())) {
    complain_once(who, "frame-refused", why);
    return false;
  }
  return true;
}

[[gnu::flatten]] kb_trap_result ask_in_trap(ShownEvent& shown, unsigned processor,
                                            const void* pt_regs, x86::Registers& registers) noexcept {
  const Trapped trapped = {pt_regs, registers.fs_base, registers.gs_base};
  const BoundEvent& event = shown.event();
  // A resumable check in 32-bit code: whatever becomes of its eight registers is a user's.
  const bool all_edits_do = event.resumable && registers.cs != kUserCs64;
  const DispatchOutcome outcome =
      g_atomic.dispatch(g_contexts[processor], [&](const Registration& registration) {
        const ShownEvent::View view(shown);
        const RawAnswer answer = call_native(*static_cast<const Native*>(registration.context),
                                             view.abi(), registers);
        if (answer != kAnswerHandled) trapped.read(registers);
        return answer;
      });
  switch (outcome.verdict) {
    case Verdict::NotHandled:
      return kKbNotOurs;
    case Verdict::Handled:
      if (all_edits_do && kb_readers() == 0) return kKbResume;
      return accept_in_trap(event, outcome, trapped, registers);
    default:
      return kill_in_trap(event, outcome, registers);
  }
}

bool start_in_trap() noexcept {
  g_atomic.configure(kMaxRegistrations, kAtomicTag);
  const unsigned count = kb_processors();
  g_contexts_memory = kb_allocate(count * sizeof(DispatchContext) + kCacheLine);
  if (g_contexts_memory == nullptr) return false;
  const uint64_t at = reinterpret_cast<uint64_t>(g_contexts_memory) + kCacheLine - 1;
  g_contexts = reinterpret_cast<DispatchContext*>(at & ~uint64_t{kCacheLine - 1});
  for (unsigned i = 0; i < count; ++i) g_atomic.attach(*new (&g_contexts[i]) DispatchContext);
  return true;
}

void stop_in_trap() noexcept { kb_free(g_contexts_memory); }

}  // namespace kebound::linux_module
