// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/exception_desk.h"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <bit>
#include <functional>
#include <string_view>
#include <utility>

#include "hosts/posix/process_facts.h"
#include "hosts/supervisor/bound_exception.h"
#include "hosts/supervisor/ptrace.h"
#include "hosts/supervisor/tracing_thread.h"
#include "nt/host.h"
#include "nt/trap_frame.h"
#include "trap/x86/resume_writes.h"

namespace kebound::supervisor {
namespace {

// Enough for some 200 frames of ordinary code; what lies beyond is reported as the end of the
// backtrace.
constexpr size_t kStackSnapshotSize = 32 * 1024;
// The signal state of a thread is looked at on its first exceptions and then every so often: a look
// costs as much as an exception.
constexpr uint64_t kSignalStateInterval = 4096;
bool is_time_to_look(uint64_t exceptions) noexcept {
  return std::has_single_bit(exceptions) || exceptions % kSignalStateInterval == 0;
}
// A program that makes up new code all the time does not make us remember all of it.
constexpr size_t kMaxCapturedPlaces = 65536;

std::shared_ptr<const events::StackSnapshot> snapshot_of_stack(const Process& process,
                                                               const x86::Registers& registers) {
  auto snapshot = std::make_shared<events::StackSnapshot>();
  snapshot->address = registers.gpr[x86::Rsp];
  snapshot->bytes.resize(kStackSnapshotSize);
  snapshot->bytes.resize(
      process.memory.read_some(snapshot->address, snapshot->bytes.data(), kStackSnapshotSize));
  return snapshot;
}

}  // namespace

ExceptionDesk::ExceptionDesk(const Options& options, FiberScheduler& scheduler, UserWindow& window)
    : options_(options), scheduler_(scheduler) {
  if (options.callback_threads != 0) {
    threads_ = std::make_unique<CallbackThreads>(options.callback_threads, window, run_callbacks,
                                                 wake_tracing_thread);
  }
}

ExceptionDesk::~ExceptionDesk() = default;

std::unique_ptr<BoundStop> ExceptionDesk::new_stop() {
  if (spare_.empty()) return std::make_unique<BoundStop>();
  std::unique_ptr<BoundStop> stop = std::move(spare_.back());
  spare_.pop_back();
  return stop;
}

bool ExceptionDesk::take(const std::shared_ptr<Tracee>& tracee, int signal) {
  if (signal != SIGSEGV && signal != SIGILL) return false;
  std::unique_ptr<BoundStop> stop = new_stop();
  stop->signal = signal;
  if (!is_bound_exception(*tracee, options_.trap_messages, *stop)) {
    spare_.push_back(std::move(stop));
    return false;
  }
  stop->is_call = false;
  ask(tracee, std::move(stop));
  return true;
}

void ExceptionDesk::ask(const std::shared_ptr<Tracee>& tracee, std::unique_ptr<BoundStop> stop) {
  if (options_.pin == Options::Pin::Follow) {
    follower_.saw_exception(tracee->process->pid, tracee->tid);
  }
  ++exceptions_;
  if (is_time_to_look(++tracee->exceptions)) {
    watch_signal_state(*tracee->process, tracee->tid);
  }
  stop->desk = this;
  stop->space = &tracee->process->space;
  stop->ended = fiber_task_ended;
  stop->tracee = tracee;
  stop->answers.count = 0;
  tracee->in_callback = true;
  tracee->held_signal = stop->signal;
  nt::fill_trap_frame(stop->before, stop->frame);
  if (options_.sink != nullptr || options_.policy != nullptr) capture(*stop);
  if (options_.policy != nullptr) look_up_rule(*stop);
  ++outstanding_;
  if (threads_ != nullptr) {
    threads_->submit(std::move(stop));
  } else {
    // On its way as a bare pointer until fiber_task_ended().
    scheduler_.start(fiber_task, static_cast<DriverTask*>(stop.release()));
  }
}

void ExceptionDesk::run_callbacks(BoundStop& stop, nt::Thread& thread) {
  thread.client_pid = static_cast<uint64_t>(stop.tracee->process->pid);
  thread.client_tid = static_cast<uint64_t>(stop.tracee->tid);
  thread.advice = &stop.advice;
  stop.outcome = nt::Facility::dispatch(thread, stop.event, stop.frame, &stop.answers);
  thread.advice = nullptr;
  stop.corrected_index = thread.corrected_index;
}

void ExceptionDesk::fiber_task(Fiber& fiber, void* task) {
  run_callbacks(static_cast<BoundStop&>(*static_cast<DriverTask*>(task)), fiber.thread());
}

void ExceptionDesk::fiber_task_ended(DriverTask& task) {
  auto& stop = static_cast<BoundStop&>(task);
  stop.desk->finish(std::unique_ptr<BoundStop>(&stop));
}

void ExceptionDesk::collect_answers() {
  if (threads_ == nullptr) return;
  for (std::unique_ptr<BoundStop>& stop : threads_->take_finished()) finish(std::move(stop));
}

void ExceptionDesk::finish(std::unique_ptr<BoundStop> stop) {
  --outstanding_;
  stop->tracee->in_callback = false;
  x86::Registers after = stop->before;
  std::string reason;
  const events::Disposition disposition = carry_out(*stop, after, reason);
  if (is_reported(*stop, disposition) && options_.sink != nullptr) {
    record(*stop, after, disposition, std::move(reason));
  }
  if (stop->advice.was_asked && !stop->advice.decision.is_counted) --exceptions_;
  stop->advice = {};
  stop->tracee.reset();
  spare_.push_back(std::move(stop));
}

events::Disposition ExceptionDesk::carry_out(BoundStop& stop, x86::Registers& after,
                                             std::string& reason) {
  using events::Disposition;
  Tracee& tracee = *stop.tracee;
  if (tracee.gone) {
    reason = "the thread ended while its callback ran";
    return Disposition::Terminated;
  }
  nt::apply_trap_frame(stop.frame, after);
  const auto terminate = [&](std::string why) {
    reason = std::move(why);
    kill(tracee.process->pid, SIGKILL);
    return Disposition::Terminated;
  };

  switch (stop.outcome.verdict) {
    case Verdict::NotHandled:
      tracee.livelock.forget();
      reason = stop.advice.refusal;
      break;
    case Verdict::Handled:
      if (!prepare_resumption(stop, after, reason)) {
        tracee.livelock.forget();
        after = stop.before;
        ptrace_continue(tracee.tid, stop.signal);
        return Disposition::Propagated;
      }
      if (tracee.livelock.observe(stop.before, after, options_.livelock_limit)) {
        return terminate(fmt::format(
            "livelock: handled {} times in a row at the same place with the same registers",
            options_.livelock_limit));
      }
      break;
    default:
      return terminate(stop.advice.decision.reason);
  }
  // The windows profile lets edits leak into a propagated exception, so this is not for Handled
  // alone. A call that nobody handled goes on inside the function, where they mean nothing.
  const bool is_inside = stop.is_call && stop.outcome.verdict == Verdict::NotHandled;
  if (is_inside) after = stop.before;
  const bool handled = stop.outcome.verdict == Verdict::Handled;
  // The thread stands at the trap, and callbacks saw it at the check: to resume there is an edit
  // even where no register was changed.
  const bool moves = handled && after.rip != stop.user.rip;
  if (!is_inside && (stop.is_call || moves || !(after == stop.before))) {
    // The thread of a propagated exception stands at the trap, as without us.
    x86::Registers real = after;
    if (stop.outcome.verdict == Verdict::NotHandled && real.rip == stop.event.ip) {
      real.rip = stop.event.trap_ip;
    }
    to_user_regs(real, stop.user);
    if (ptrace_set_registers(tracee.tid, stop.user) == PtraceResult::Refused) {
      after = stop.before;
      return terminate(
          "the kernel refused the frame as edited: a selector or a base address that user mode "
          "cannot have");
    }
  }
  ptrace_continue(tracee.tid, handled ? 0 : stop.signal);
  return handled ? Disposition::Handled : Disposition::Propagated;
}

bool ExceptionDesk::prepare_resumption(BoundStop& stop, x86::Registers& after,
                                       std::string& reason) {
  const int64_t* const corrected = stop.corrected_index ? &*stop.corrected_index : nullptr;
  const x86::ResumePlan plan =
      x86::plan_resumption(stop.event, stop.recovery, stop.before, corrected, after);
  const auto refuse = [&](const char* why) {
    reason = fmt::format("handled refused: {}", why);
    return false;
  };
  if (plan.verdict != x86::Resumption::Resume) {
    static_cast<void>(refuse(x86::resumption_text(plan.verdict)));
    if (plan.verdict == x86::Resumption::NotResumable && stop.event.doubt != Doubt::None) {
      reason += fmt::format(": {}", doubt_text(stop.event.doubt));
    }
    return false;
  }
  const TargetMemory& memory = stop.tracee->process->memory;
  const bool written = x86::carry_out_writes(
      plan, [&](uint64_t at, void* into, size_t size) { return memory.read(at, into, size); },
      [&](uint64_t at, const void* from, size_t size) { return memory.write(at, from, size); });
  return written || refuse(x86::kWritesRefused);
}

void ExceptionDesk::capture(BoundStop& stop) const {
  Process& process = *stop.tracee->process;
  if (process.captured_places.size() >= kMaxCapturedPlaces) process.captured_places.clear();
  const bool first = process.captured_places.insert(stop.before.rip).second;
  stop.modules =
      first ? process.modules.read(process.pid, process.is_64bit) : process.modules.last();
  stop.stack.reset();
  if (options_.sink == nullptr || options_.backtraces == Options::Backtraces::None) return;
  if (!first && options_.backtraces == Options::Backtraces::First) return;
  stop.stack = snapshot_of_stack(process, stop.before);
}

// While the thread stands still, and on this thread: finding names may ask another process, and
// everything that counts sites is in one place.
void ExceptionDesk::look_up_rule(BoundStop& stop) const {
  const auto stack = [&stop] {
    return stop.stack != nullptr ? stop.stack
                                 : snapshot_of_stack(*stop.tracee->process, stop.before);
  };
  stop.advice.match =
      options_.policy->look_up({stop.event, stop.before, stop.modules, std::cref(stack)});
}

// A rule that keeps its exceptions out of the report says so of what it does about them. Where
// that could not be done, or something else was, it is said all the same.
bool ExceptionDesk::is_reported(BoundStop& stop, events::Disposition disposition) const {
  using events::Disposition;
  driver::Decision& decision = stop.advice.decision;
  if (!stop.advice.was_asked || decision.is_reported) return true;
  if (stop.tracee->gone) return false;
  const Disposition wanted = decision.action == driver::OnBound::Propagate ? Disposition::Propagated
                             : decision.action == driver::OnBound::Terminate
                                 ? Disposition::Terminated
                                 : Disposition::Handled;
  // Once, first and sample mean failures, too.
  if (disposition == wanted || (decision.is_counted && disposition != Disposition::Terminated)) {
    return false;
  }
  rules::report_after_all(*decision.counts, decision.is_counted);
  return decision.is_counted = true;
}

void ExceptionDesk::record(BoundStop& stop, const x86::Registers& after,
                           events::Disposition disposition, std::string reason) {
  Tracee& tracee = *stop.tracee;
  if (tracee.name == nullptr || stop.stack != nullptr) {
    tracee.name =
        std::make_shared<const std::string>(posix::thread_name(tracee.process->pid, tracee.tid));
  }
  events::BoundException record;
  record.time_ns = events::realtime_ns();
  record.pid = tracee.process->pid;
  record.tid = tracee.tid;
  record.program = tracee.process->program;
  record.thread_name = tracee.name;
  record.event = stop.event;
  record.detail = stop.detail;
  record.before = stop.before;
  record.after = disposition == events::Disposition::Terminated ? stop.before : after;
  memcpy(record.code, stop.code, sizeof record.code);
  record.code_size = stop.code_size;
  record.answers.reserve(stop.answers.count);
  for (size_t i = 0; i < stop.answers.count; ++i) {
    const nt::CallbackAnswer& answer = stop.answers.entries[i];
    const CallbackName& name = name_of(answer);
    record.answers.push_back({name.driver, name.callback, answer.status, answer.edited});
  }
  record.disposition = disposition;
  record.rule = std::move(stop.advice.decision.rule);
  record.reason = std::move(reason);
  record.modules = std::move(stop.modules);
  record.stack = std::move(stop.stack);
  options_.sink->accept(std::move(record));
}

const ExceptionDesk::CallbackName& ExceptionDesk::name_of(const nt::CallbackAnswer& answer) {
  const std::string_view driver = answer.image != nullptr ? answer.image->name : "";
  auto [entry, is_new] = names_.try_emplace(answer.routine);
  // Another driver may have been loaded where one was before.
  if (is_new || *entry->second.driver != driver) {
    entry->second.driver = std::make_shared<const std::string>(driver);
    entry->second.callback = std::make_shared<const std::string>(
        nt::Facility::describe(reinterpret_cast<uint64_t>(answer.routine)));
  }
  return entry->second;
}

// When a thread faults with the fault's signal blocked or ignored, the kernel resets the signal to
// its default action before we see the stop (force_sig). The handler's address is not to be had
// from outside, so a Handled cannot put it back: it is reported.
void ExceptionDesk::watch_signal_state(Process& process, pid_t tid) {
  const posix::SignalMasks now = posix::signal_masks(process.pid, tid);
  constexpr uint64_t bit = uint64_t{1} << (SIGSEGV - 1);
  const bool caught_lost = (process.masks.caught & bit) != 0 && (now.caught & bit) == 0;
  const bool ignored_lost = (process.masks.ignored & bit) != 0 && (now.ignored & bit) == 0;
  if (caught_lost || (ignored_lost && (now.caught & bit) == 0)) {
    nt::host().violation(
        {"signal-action-lost", "", "",
         fmt::format("process {} faulted with SIGSEGV blocked or ignored; the kernel has reset its "
                     "SIGSEGV action to the default, which a handled exception does not undo",
                     process.pid)});
  }
  process.masks = now;
}

}  // namespace kebound::supervisor
