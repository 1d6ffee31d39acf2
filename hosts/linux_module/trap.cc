// SPDX-License-Identifier: Apache-2.0
//
// The way of one exception: classified in the die notifier, asked about on the task's way back to user
// mode, where callbacks may sleep.
//
// Propagation runs the failing instruction again and lets the kernel have it: what the program gets is
// what it gets without the module, whatever this kernel does about it. If the check passes the second
// time, because another thread changed what it looks at, the program goes on as it would have.
#include <string.h>

#include "hosts/kernel/user_return.h"
#include "hosts/linux_module/checks.h"
#include "hosts/linux_module/classify.h"
#include "hosts/linux_module/complaints.h"
#include "hosts/linux_module/device.h"
#include "hosts/linux_module/in_trap.h"
#include "hosts/linux_module/native.h"
#include "hosts/linux_module/publish.h"
#include "hosts/linux_module/settings.h"
#include "hosts/linux_module/threads.h"
#include "nt/trap_frame.h"

namespace kebound::linux_module {

constinit Settings g_settings;

namespace {

static_assert(sizeof(kb_registers) == sizeof(x86::Registers));
static_assert(offsetof(kb_registers, rip) == offsetof(x86::Registers, rip) &&
              offsetof(kb_registers, gs_base) == offsetof(x86::Registers, gs_base) &&
              offsetof(kb_registers, gs) == offsetof(x86::Registers, gs));

[[nodiscard]] x86::Registers& registers_of(kb_registers* registers) noexcept {
  return *reinterpret_cast<x86::Registers*>(registers);
}

// Without a callback: those who read the device, and the policies.
[[nodiscard]] bool somebody_else_asks() noexcept {
  return kb_can_sleep() != 0 && (kb_readers() != 0 || kb_policies() != 0);
}

enum class Next : uint8_t { Resume, Kill, Propagate };

[[nodiscard]] Next carry_out(TaskThread& thread, const DispatchOutcome& outcome,
                             x86::Registers& wanted) {
  if (outcome.verdict == Verdict::Error) return Next::Kill;
  if (outcome.verdict != Verdict::Handled) return Next::Propagate;
  if (is_compilers_check(thread.event)
          ? !resume_check(outcome.decided_by, thread, wanted)
          : !acceptable(outcome.decided_by, thread.event, wanted, thread.at_fault)) {
    wanted = thread.at_fault;
    return Next::Propagate;
  }
  if (thread.livelock.observe(thread.at_fault, wanted, g_settings.livelock_limit)) {
    report_termination(reinterpret_cast<uint64_t>(outcome.decided_by.routine),
                       "livelock: handled again and again at the same place with the same registers");
    return Next::Kill;
  }
  return Next::Resume;
}

// Where there is something to apply: to a 64-bit process in 32-bit code the frame is less than its
// registers.
void apply_edits(const KTRAP_FRAME& frame, x86::Registers& registers) noexcept {
  KTRAP_FRAME given;
  nt::fill_trap_frame(registers, given);
  if (memcmp(&frame, &given, sizeof frame) != 0) nt::apply_trap_frame(frame, registers);
}

// Asks the callbacks that may sleep; `registers` gets what the task is to go on with.
// The policies, for what no callback handled.
[[nodiscard]] Next ask_policies(const BoundEvent& event, x86::Registers& registers,
                                Ending& ending) {
  switch (kb_policy()) {
    case KEBOUND_POLICY_TERMINATE:
      ending.reason = "policy: terminate";
      return Next::Kill;
    case KEBOUND_POLICY_SKIP:
      if (event.source != BoundSource::X86Bound || event.instruction_length == 0)
        return Next::Propagate;
      ending.reason = "policy: skip";
      registers.rip += event.instruction_length;
      return Next::Resume;
    default:
      return Next::Propagate;
  }
}

[[nodiscard]] Next ask(TaskThread& thread, x86::Registers& registers, Ending& ending) {
  DispatchOutcome outcome;
  KTRAP_FRAME frame;
  nt::fill_trap_frame(registers, frame);
  thread.has_edited = false;
  const bool whole = run_guarded(thread, [&] {
    outcome = nt::Facility::dispatch(thread.thread, thread.event, frame, nullptr);
  });
  if (!whole) {  // a bug check: the process is being killed
    ending.reason = "bug check";
    nt::Facility::registry().abandon(thread.thread.dispatch_context);
    return Next::Kill;
  }
  if (thread.has_edited) {
    registers = thread.edited;
  } else if (outcome.verdict == Verdict::Handled || nt::Facility::profile() == nt::Profile::Windows) {
    apply_edits(frame, registers);
  }
  ending.asked = outcome.asked;
  if (outcome.verdict != Verdict::NotHandled) {
    ending.decided_by = outcome.decided_by.routine;
    ending.answer = outcome.answer;
  }
  const Next next = carry_out(thread, outcome, registers);
  if (next == Next::Propagate && kb_policies() != 0 && registers == thread.at_fault)
    return ask_policies(thread.event, registers, ending);
  return next;
}

[[nodiscard]] unsigned disposition_of(Next next) noexcept {
  switch (next) {
    case Next::Resume:
      return KEBOUND_DISPOSITION_HANDLED;
    case Next::Kill:
      return KEBOUND_DISPOSITION_TERMINATED;
    case Next::Propagate:
      break;
  }
  return KEBOUND_DISPOSITION_PROPAGATED;
}

void keep_event(TaskThread& thread, const BoundEvent& event,
                const x86::Registers& registers) noexcept {
  thread.event = event;
  thread.at_fault = registers;
}

// The exception that a propagation came back with: the kernel's own.
[[nodiscard]] bool is_second_time(TaskThread& thread, const x86::Registers& registers) noexcept {
  return thread.event.trap_ip == registers.rip && thread.at_fault.gpr[x86::Rsp] == registers.gpr[x86::Rsp];
}

[[nodiscard, gnu::always_inline]] inline kb_trap_result trap(unsigned vector, unsigned processor, const void* pt_regs,
                                  x86::Registers& registers) {
  [[gnu::uninitialized]] ShownEvent shown;
  BoundEvent& event = shown.event();
  const TrapSort sort = classify(vector, processor, registers, event);
  if (sort == TrapSort::Other) return kKbNotOurs;

  TaskThread* thread = any_propagates() ? running_thread() : nullptr;
  if (thread != nullptr) {
    // Not propagating: the task is inside driver code, and this is user mode: that cannot be.
    if (!end_propagation(*thread)) return kKbNotOurs;
    if (thread->owner != kb_current_identity()) {
      // That task died before its exception came again, and this one has its place in memory.
      release_thread(*thread);
      thread = nullptr;
    } else if (is_second_time(*thread, registers)) {
      release_thread(*thread);
      return kKbNotOurs;
    }
  }

  if (sort == TrapSort::BoundsFailure && atomic_callbacks_exist()) {
    const kb_trap_result result = ask_in_trap(shown, processor, pt_regs, registers);
    if (result != kKbNotOurs) {
      if (thread != nullptr) release_thread(*thread);
      return result;
    }
  }
  if (nt::Facility::registry().empty() && !somebody_else_asks()) {
    if (thread != nullptr) release_thread(*thread);
    return kKbNotOurs;
  }
  if (thread == nullptr) thread = claim_thread();
  if (thread == nullptr) {
    kb_log(1, "verifier rule=no-thread driver=\"\" callback=\"\" message=\"more than 1024 threads are "
              "inside callbacks, or there is no memory; an exception was propagated\"");
    return kKbNotOurs;
  }
  read_bases(registers);
  keep_event(*thread, event, registers);
  thread->to_recover = vector == kVectorInvalidOpcode;
  return kKbDeferred;
}

}  // namespace

}  // namespace kebound::linux_module

using namespace kebound::linux_module;

extern "C" {

int kb_interested(void) {
  return atomic_callbacks_exist() || !kebound::nt::Facility::registry().empty() ||
         somebody_else_asks() ||
         any_propagates();
}

int kb_trap(unsigned vector, unsigned processor, const void* pt_regs, kb_registers* registers) {
  return trap(vector, processor, pt_regs, registers_of(registers));
}

struct kb_deferred_work* kb_take_deferred_work(void) {
  TaskThread* const thread = running_thread();
  thread->work = {};
  thread->work.thread = thread;
  return &thread->work;
}

void kb_deferred_failed(void* opaque) { release_thread(*static_cast<TaskThread*>(opaque)); }

int kb_deferred(void* opaque, kb_registers* out) {
  auto& thread = *static_cast<TaskThread*>(opaque);
  if (thread.to_recover && !recover_exception(thread)) {
    begin_propagation(thread);
    return 0;
  }
  kebound::x86::Registers registers = thread.at_fault;
  Ending ending;
  const Next next = ask(thread, registers, ending);
  ending.disposition = disposition_of(next);
  publish_exception(thread.event, thread.at_fault,
                    next == Next::Kill ? thread.at_fault : registers, ending, true);
  const bool changed = !(registers == thread.at_fault);
  if (next == Next::Propagate && !changed) {
    begin_propagation(thread);
    return 0;
  }
  const bool is_bound = !is_compilers_check(thread.event);
  // Where edits leaked through, and for who leaves the thread where it was shown: at the trap again.
  if (next == Next::Propagate && registers.rip == thread.event.ip)
    registers.rip = thread.event.trap_ip;
  if (next != Next::Resume) thread.livelock.forget();
  release_thread(thread);
  registers_of(out) = registers;
  if (next == Next::Kill) {
    kb_kill_current();
    return 0;
  }
  if (next == Next::Propagate) {
    // Edits leaked through, as they do in the windows profile: run again, the check may pass.
    if (!is_bound) return 1;
    kb_signal_bound();
  }
  return 1;
}

}  // extern "C"
