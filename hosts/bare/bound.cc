// SPDX-License-Identifier: Apache-2.0
//
// The way of one exception: what is it, ask, carry out. All of it runs where the exception was
// taken, as on NT: on the faulting thread's kernel stack, with interrupts on.
#include "hosts/bare/bound.h"

#include <string.h>

#include "hosts/bare/kernel.h"
#include "hosts/bare/memory.h"
#include "hosts/bare/process.h"
#include "hosts/bare/threads.h"
#include "hosts/kernel/complaint_lines.h"
#include "hosts/kernel/describe_bound.h"
#include "hosts/kernel/user_return.h"
#include "nt/report.h"
#include "nt/trap_frame.h"
#include "trap/x86/check_recovery.h"
#include "trap/x86/compiler_trap.h"
#include "trap/x86/recovery_cache.h"

namespace kebound::bare {

constinit Settings g_settings;

namespace {

// Fixed memory, all zero when new: what is known about compilers' traps, and room for two threads
// to look at new ones.
alignas(x86::RecoveryCache) constinit unsigned char g_cache_bytes[sizeof(x86::RecoveryCache)] = {};

x86::RecoveryCache& cache() noexcept {
  return x86::RecoveryCache::in_zeroed(g_cache_bytes);
}

void read_registers(const Frame& frame, x86::Registers& out) noexcept {
  memcpy(out.gpr, frame.gpr, sizeof out.gpr);
  out.gpr[x86::Rsp] = frame.rsp;
  out.rip = frame.rip;
  out.rflags = frame.rflags;
  out.cs = static_cast<uint16_t>(frame.cs);
  out.ss = static_cast<uint16_t>(frame.ss);
  // The kernel leaves these alone: they are still the user's.
  __asm__("movw %%ds, %0\n\tmovw %%es, %1\n\tmovw %%fs, %2\n\tmovw %%gs, %3"
          : "=m"(out.ds), "=m"(out.es), "=m"(out.fs), "=m"(out.gs));
}

void write_registers(const x86::Registers& from, Frame& frame) noexcept {
  memcpy(frame.gpr, from.gpr, sizeof frame.gpr);
  frame.rsp = from.gpr[x86::Rsp];
  frame.rip = from.rip;
  frame.rflags = from.rflags;
  frame.cs = from.cs;
  frame.ss = from.ss;
}

bool find_function(void* opaque, uint64_t address, x86::CodePlace& out) noexcept {
  const auto& process = *static_cast<const Process*>(opaque);
  if (!process.has_image) return false;
  const x86::CodeRange* const text = elf::text_around(process.image, address);
  if (text == nullptr) return false;
  out.text = *text;
  return elf::function_around(process.image, address, user_memory(), out.function);
}

// Of invalid opcodes those are bound exceptions that a compiler ends a failed bounds check with;
// the first time at one, the function around it is analysed.
[[nodiscard]] bool recover(Process& process, const x86::Registers& registers, BoundEvent& event,
                           x86::Recovery& recovery) noexcept {
  x86::RecoverySource source;
  source.mode = registers.cs == BARE_USER_CS64 ? x86::CodeMode::Bits64 : x86::CodeMode::Bits32;
  source.memory = user_memory();
  source.functions = {&process, find_function};
  source.evidence.unique_traps = process.numbers_its_traps;
  return x86::recover_check(source, registers, cache(), event, recovery);
}

void complain(const Registration& who, const char* rule, const char* what) {
  const auto routine = reinterpret_cast<uint64_t>(who.routine);
  nt::report_violation(rule, routine, nt::Facility::describe(routine) + ": " + what);
}

// All of a plan's writes or none: a half corrected index would be worse than an exception.
[[nodiscard]] bool carry_out_writes(const x86::ResumePlan& plan) noexcept {
  char there[8];
  for (unsigned i = 0; i < plan.write_count; ++i) {
    // What is mapped stays mapped.
    if (read_user(plan.writes[i].address, there, plan.writes[i].size) != plan.writes[i].size)
      return false;
  }
  for (unsigned i = 0; i < plan.write_count; ++i)
    write_user(plan.writes[i].address, &plan.writes[i].value, plan.writes[i].size);
  return true;
}

// What a check that is no BOUND needs besides its registers. Null: done.
[[nodiscard, gnu::noinline]] const char* resume_check(const Thread& thread, const BoundEvent& event,
                                                      const x86::Recovery& recovery,
                                                      const x86::Registers& seen,
                                                      x86::Registers& wanted) noexcept {
  const int64_t* const corrected =
      thread.nt.corrected_index.has_value() ? &*thread.nt.corrected_index : nullptr;
  const x86::ResumePlan plan = x86::plan_resumption(event, recovery, seen, corrected, wanted);
  if (plan.verdict != x86::Resumption::Resume) return x86::resumption_text(plan.verdict);
  return carry_out_writes(plan) ? nullptr : "the index is in memory that is not there";
}

void terminate(const Thread& thread, const Registration& who, const char* reason) {
  if (reason != nullptr) {
    log_line(termination_line(thread.nt.client_pid, thread.nt.client_tid,
                              reinterpret_cast<uint64_t>(who.routine), reason));
  }
  end_process(*thread.process, Ending::Terminated);
}

// Handled: the thread goes on with `wanted`, if that is possible.
[[nodiscard]] Resumption resume(Thread& thread, const Registration& who, const BoundEvent& event,
                                const x86::Recovery& recovery, const x86::Registers& seen,
                                x86::Registers& wanted, Frame& frame) {
  const bool planned = event.source != BoundSource::X86Bound && event.source != BoundSource::X86Mpx;
  const char* why = planned ? resume_check(thread, event, recovery, seen, wanted) : nullptr;
  const char* rule = "handled-refused";
  if (why == nullptr) {
    why = objection_to_return(wanted, seen, kUserEnd);
    rule = "frame-refused";
  }
  if (why != nullptr) {
    complain(who, rule, why);
    thread.livelock.forget();
    return Resumption::Propagate;
  }
  if (thread.livelock.observe(seen, wanted, g_settings.livelock_limit)) {
    terminate(thread, who,
              "livelock: handled again and again at the same place with the same registers");
    return Resumption::Resumed;
  }
  write_registers(wanted, frame);
  return Resumption::Resumed;
}

// The windows profile lets edits through to the program; any other has undone them.
void leak_edits(const KTRAP_FRAME& frame, const BoundEvent& event, const x86::Registers& seen,
                Frame& out) noexcept {
  KTRAP_FRAME given;
  nt::fill_trap_frame(seen, given);
  if (memcmp(&frame, &given, sizeof frame) == 0) return;
  x86::Registers wanted = seen;
  nt::apply_trap_frame(frame, wanted);
  if (objection_to_return(wanted, seen, kUserEnd) != nullptr) return;
  if (wanted.rip == event.ip) wanted.rip = event.trap_ip;
  write_registers(wanted, out);
}

// Asks about `event` and carries the answer out. `seen`: the registers at the trap.
[[nodiscard]] Resumption ask(Thread& thread, const BoundEvent& event, const x86::Recovery& recovery,
                             x86::Registers& seen, Frame& frame) {
  seen.rip = event.ip;  // a compiler's check is seen at its compare
  KTRAP_FRAME nt_frame;
  nt::fill_trap_frame(seen, nt_frame);
  const DispatchOutcome outcome = nt::Facility::dispatch(thread.nt, event, nt_frame, nullptr);
  // The process may have ended meanwhile; then none of this matters any more.
  if (outcome.verdict == Verdict::Handled) {
    x86::Registers wanted = seen;
    nt::apply_trap_frame(nt_frame, wanted);
    return resume(thread, outcome.decided_by, event, recovery, seen, wanted, frame);
  }
  if (outcome.verdict == Verdict::Error) {
    terminate(thread, outcome.decided_by, nullptr);
    return Resumption::Resumed;
  }
  thread.livelock.forget();
  if (nt::Facility::profile() == nt::Profile::Windows) leak_edits(nt_frame, event, seen, frame);
  return Resumption::Propagate;
}

constexpr x86::Recovery kNotRecovered;

}  // namespace

Resumption on_user_check(Frame& frame) noexcept {
  if (nt::Facility::registry().empty()) return Resumption::Propagate;
  Thread& thread = running_thread();
  x86::Registers seen;
  read_registers(frame, seen);
  BoundEvent event;
  if (frame.vector == kVectorBound) {  // is one, whatever raised it
    describe_bound(seen, user_memory(), decode_bound32, nullptr, event);
    return ask(thread, event, kNotRecovered, seen, frame);
  }
  x86::Recovery recovery;
  if (!recover(*thread.process, seen, event, recovery)) return Resumption::Propagate;
  return ask(thread, event, recovery, seen, frame);
}

namespace {

// The bug check of an exception that no thread of a kernel may have.
void raise_for(const Frame& frame, uint64_t routine) {
  using nt::BugCheckCode;
  using nt::raise_bug_check;
  const std::string place = nt::Facility::describe(frame.rip);
  x86::CompilerTrap trap;
  const bool is_check =
      frame.vector == kVectorInvalidOpcode &&
      x86::decode_compiler_trap(reinterpret_cast<const uint8_t*>(frame.rip), 5, trap) &&
      x86::is_array_bounds_check(trap);
  if (frame.vector == kVectorBound || is_check) {
    // CONTRACT, Dispatch: never dispatched.
    raise_bug_check(BugCheckCode::UnexpectedKernelModeTrap,
                    {.p1 = kVectorBound, .p3 = routine, .p4 = frame.rip},
                    nt::Facility::image_of(frame.rip) != nullptr ? frame.rip : routine,
                    "a bound exception in the kernel at " + place);
  }
  if (frame.vector == kVectorPageFault) {
    uint64_t address;
    __asm__ volatile("movq %%cr2, %0" : "=r"(address));
    raise_bug_check(BugCheckCode::PageFaultInNonpagedArea,
                    {.p1 = address, .p2 = frame.error, .p3 = frame.rip}, frame.rip,
                    place + " touched memory that is not there");
  }
  raise_bug_check(BugCheckCode::UnexpectedKernelModeTrap, {.p1 = frame.vector, .p4 = frame.rip},
                  frame.rip, "an exception in the kernel at " + place);
}

}  // namespace

void on_kernel_exception(const Frame& frame) noexcept {
  Registration inside;
  const bool known =
      nt::Facility::registry().find_inside(running_thread().nt.dispatch_context, inside);
  raise_for(frame, known ? reinterpret_cast<uint64_t>(inside.routine) : 0);
  panic("a bug check returned");
}

}  // namespace kebound::bare
