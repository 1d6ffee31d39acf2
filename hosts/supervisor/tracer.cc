// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/tracer.h"

#include <errno.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "hosts/posix/process_facts.h"
#include "hosts/supervisor/ptrace.h"
#include "hosts/supervisor/tracing_thread.h"
#include "nt/facility.h"
#include "nt/host.h"

namespace kebound::supervisor {
namespace {

// The built-in callback looks at registers only.
bool loaded_driver_is_registered() {
  Registration live[kMaxRegistrations];
  const uint32_t count = nt::Facility::registry().list(live);
  return std::any_of(live, live + count, [](const Registration& registration) {
    const auto* image = static_cast<const nt::Image*>(registration.context);
    return image != nullptr && image->loader_entry != nullptr;
  });
}

bool seize_child(pid_t child, Outcome& failure) {
  if (ptrace_seize(child, true) == PtraceResult::Ok) return true;
  failure = posix::launch_failure(
      fmt::format("cannot be traced: {}", strerror(errno)),
      "kebound needs ptrace: allow it (kernel.yama.ptrace_scope below 3, CAP_SYS_PTRACE in a "
      "container)",
      false);
  return false;
}

}  // namespace

Tracer::Tracer(const Options& options, FiberScheduler& scheduler, ExceptionDesk& desk,
               bool (*interrupted)() noexcept)
    : options_(options),
      scheduler_(scheduler),
      desk_(desk),
      calls_(options.calls, options.trap_messages),
      interrupted_(interrupted) {}

void Tracer::emit(events::Record&& record) {
  if (options_.sink != nullptr) options_.sink->accept(std::move(record));
}

Outcome Tracer::run(const LaunchSpec& spec) {
  const posix::Launched launched = posix::launch(spec, seize_child);
  if (launched.pid == 0) return launched.failure;
  first_pid_ = launched.pid;
  add_tracee(launched.pid, add_process(launched.pid, nullptr));
  loop();
  if (!program_started_) return posix::explain_failed_exec(launched, spec);
  close(launched.exec_error_fd);
  return outcome_.value_or(Outcome{});
}

Outcome Tracer::attach(pid_t pid) {
  attached_ = true;
  Outcome failure;
  failure.kind = Outcome::Kind::Failed;
  if (!seize_all_threads(pid, failure)) {
    detach_all();
    return failure;
  }
  first_pid_ = pid;
  program_started_ = true;
  enter_program(*tracees_.at(pid));
  // Breakpoints need a thread that stands still.
  if (options_.calls != 0) ptrace_interrupt(pid);
  loop();
  Outcome detached;
  detached.kind = Outcome::Kind::Detached;
  return outcome_.value_or(detached);
}

// Threads may be made while we go through the list; those of seized threads are seized by the
// kernel. So: until a pass finds nothing new.
bool Tracer::seize_all_threads(pid_t pid, Outcome& failure) {
  if (posix::process_of_thread(pid) != pid) {
    failure.not_found = true;
    failure.why =
        posix::process_of_thread(pid) == 0 ? "no such process" : "is a thread, not a process";
    failure.remedy = "name the PID of a running process";
    return false;
  }
  const std::shared_ptr<Process> process = add_process(pid, nullptr);
  for (bool found_new = true; found_new;) {
    found_new = false;
    for (const pid_t tid : posix::threads_of(pid)) {
      if (tracees_.contains(tid)) continue;
      if (ptrace_seize(tid, false) != PtraceResult::Ok) {
        if (errno == ESRCH && tid != pid) continue;  // ended meanwhile
        // EPERM also for a new thread that the kernel has seized for us already: its stop will
        // come.
        if (errno == EPERM && posix::tracer_of(pid, tid) == getpid()) continue;
        failure.why = fmt::format("thread {} cannot be traced: {}", tid, strerror(errno));
        failure.remedy = posix::tracer_of(pid, tid) != 0
                             ? "another debugger traces it; end that first"
                             : "run kebound as the same user or as root; "
                               "kernel.yama.ptrace_scope may forbid it too";
        return false;
      }
      add_tracee(tid, process);
      found_new = true;
    }
  }
  if (tracees_.contains(pid)) return true;
  failure.not_found = true;
  failure.why = "the process ended";
  failure.remedy = "name the PID of a running process";
  return false;
}

void Tracer::request_stop() noexcept {
  stop_requested_ = true;
  const pid_t first = first_pid_;
  if (!attached_ && first > 0) kill(first, SIGTERM);
  wake_tracing_thread();
}

bool Tracer::callbacks_pending() const {
  return scheduler_.parked() != 0 || desk_.outstanding() != 0;
}

void Tracer::loop() {
  while (!interrupted_()) {
    scheduler_.run_ready();
    desk_.collect_answers();
    if (interrupted_()) return;
    if (attached_ && stop_requested_ && !detaching_) detach_all();
    if (tracees_.empty()) {
      if (!callbacks_pending()) return;
      if (alone_since_ns_ == 0) alone_since_ns_ = monotonic_ns();
      if (monotonic_ns() - alone_since_ns_ >= kCallbackGraceNs) {
        give_up_callbacks();
        return;
      }
    }
    step();
  }
}

// One status, or a sleep.
void Tracer::step() {
  // Only stops matter while no callback is pending: then waitpid() itself sleeps. request_stop()
  // needs no wake-up there either, because it signals the target.
  const bool poll = attached_ || tracees_.empty() || callbacks_pending();
  int status = 0;
  const pid_t tid = waitpid(-1, &status, __WALL | (poll ? WNOHANG : 0));
  if (tid > 0) {
    on_status(tid, WaitStatus(status));
    return;
  }
  if (tid < 0 && errno == EINTR) return;
  if (tid < 0) {
    // ECHILD: nothing is left that could report an end.
    while (!tracees_.empty()) forget(std::shared_ptr<Tracee>(tracees_.begin()->second));
    if (!callbacks_pending()) return;
  }
  int64_t deadline = scheduler_.next_deadline();
  if (alone_since_ns_ != 0) deadline = std::min(deadline, alone_since_ns_ + kCallbackGraceNs);
  if (deadline != 0) sleep_until(deadline);
}

void Tracer::on_status(pid_t tid, WaitStatus status) {
  using Kind = WaitStatus::Kind;
  const Kind kind = status.kind();
  if (kind == Kind::Exited || kind == Kind::Signaled) {
    const auto found = tracees_.find(tid);
    if (found != tracees_.end()) on_end(std::shared_ptr<Tracee>(found->second), status);
    return;
  }
  const std::shared_ptr<Tracee> tracee = find_or_adopt(tid);
  if (tracee == nullptr) return;
  if (detaching_) {
    int signal = kind == Kind::SignalDelivery ? status.signal() : 0;
    if (calls_.leave(*tracee, signal)) signal = 0;
    ptrace_detach(tid, signal);
    forget(tracee);
    return;
  }
  switch (kind) {
    case Kind::SignalDelivery:
      if (!program_started_ ||
          !(status.signal() == SIGTRAP ? take_call(tracee) : desk_.take(tracee, status.signal()))) {
        ptrace_continue(tid, status.signal());
      }
      break;
    case Kind::GroupStop:
      ptrace_listen(tid);
      break;
    default:
      on_event(tracee, status);
      break;
  }
}

// A breakpoint of ours. False: the signal is the program's.
bool Tracer::take_call(const std::shared_ptr<Tracee>& tracee) {
  std::unique_ptr<BoundStop> stop = desk_.new_stop();
  const CallWatch::Trap trap = calls_.take(*tracee, *stop);
  if (trap == CallWatch::Trap::Event) {
    desk_.ask(tracee, std::move(stop));
    return true;
  }
  desk_.give_back(std::move(stop));
  if (trap == CallWatch::Trap::NotOurs) return false;
  ptrace_continue(tracee->tid, 0);
  return true;
}

void Tracer::on_event(const std::shared_ptr<Tracee>& tracee, WaitStatus status) {
  switch (status.event()) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
      on_new_child(tracee, true);
      break;
    case PTRACE_EVENT_CLONE:
      on_new_child(tracee, false);
      break;
    case PTRACE_EVENT_EXEC:
      on_exec(tracee);
      break;
    default:
      // A new thread's first stop, the end of a group stop, or ours: attach() asked for it.
      if (program_started_ && tracee->process->breakpoints == nullptr)
        calls_.program_entered(*tracee);
      break;
  }
  ptrace_continue(tracee->tid, 0);
}

void Tracer::on_new_child(const std::shared_ptr<Tracee>& parent, bool is_process) {
  unsigned long message = 0;
  if (ptrace_event_message(parent->tid, message) != PtraceResult::Ok) return;
  const auto tid = static_cast<pid_t>(message);
  desk_.watch_signal_state(*parent->process, parent->tid);
  if (tracees_.contains(tid)) return;  // its first stop came before this event
  // CLONE is also what clone(2) without CLONE_THREAD reports when it asks for another signal than
  // SIGCHLD.
  if (!is_process && posix::process_of_thread(tid) == parent->process->pid) {
    add_tracee(tid, parent->process);
  } else {
    add_tracee(tid, add_process(tid, parent->process.get()));
  }
}

// The kernel attaches the children of traced threads by itself; a child's first stop may come
// before its parent's event.
std::shared_ptr<Tracee> Tracer::find_or_adopt(pid_t tid) {
  if (const auto found = tracees_.find(tid); found != tracees_.end()) return found->second;
  const pid_t pid = posix::process_of_thread(tid);
  if (pid == 0) return nullptr;
  if (const auto known = processes_.find(pid); known != processes_.end()) {
    if (std::shared_ptr<Process> process = known->second.lock())
      return add_tracee(tid, std::move(process));
  }
  const auto parent = processes_.find(posix::parent_of(pid));
  const std::shared_ptr<Process> forked_from =
      parent != processes_.end() ? parent->second.lock() : nullptr;
  return add_tracee(tid, add_process(pid, forked_from.get()));
}

void Tracer::on_exec(const std::shared_ptr<Tracee>& tracee) {
  // Every other thread of the process is gone. One that was not the leader goes on under the
  // leader's number, and what we knew under that number was another thread.
  unsigned long former = 0;
  const bool known = ptrace_event_message(tracee->tid, former) == PtraceResult::Ok;
  std::shared_ptr<Process> process = tracee->process;
  std::vector<std::shared_ptr<Tracee>> dead;
  for (const auto& [tid, other] : tracees_) {
    if (other->process == process && other != tracee) dead.push_back(other);
  }
  for (const auto& other : dead) forget(other);
  if (known && static_cast<pid_t>(former) != tracee->tid) {
    forget(tracee);
    add_tracee(tracee->tid, process);
  }
  program_started_ = program_started_ || process->pid == first_pid_;
  Tracee& first = *tracees_.at(tracee->tid);
  enter_program(first);
  calls_.program_entered(first);
}

void Tracer::enter_program(Tracee& tracee) {
  Process& process = *tracee.process;
  process.space = {process.pid, ++last_space_id_};
  process.modules.forget();
  process.check_traps.reset();
  process.captured_places.clear();
  process.masks = {};
  process.is_64bit = posix::executable_is_64bit(process.pid);
  process.program = std::make_shared<const std::string>(posix::executable_path(process.pid));
  emit(events::ProcessStarted{events::realtime_ns(), process.pid, posix::parent_of(process.pid),
                              *process.program, process.is_64bit});
  if (!process.is_64bit || !loaded_driver_is_registered()) return;
  const std::string overlaps = UserWindow::overlaps(process.pid);
  if (overlaps.empty()) return;
  nt::host().violation(
      {"address-space-overlap", "", "",
       fmt::format(
           "drivers cannot see the memory of process {} at {}, where the supervisor has its own; "
           "run it again, or with address space randomization",
           process.pid, overlaps)});
}

std::shared_ptr<Process> Tracer::add_process(pid_t pid, const Process* forked_from) {
  auto process = std::make_shared<Process>(pid);
  process->space = {pid, ++last_space_id_};
  if (forked_from != nullptr) {
    process->is_64bit = forked_from->is_64bit;
    process->program = forked_from->program;
    process->masks = forked_from->masks;
    calls_.forked(*process, *forked_from);
    emit(events::ProcessStarted{events::realtime_ns(), pid, forked_from->pid, *process->program,
                                process->is_64bit});
  }
  processes_[pid] = process;
  return process;
}

std::shared_ptr<Tracee> Tracer::add_tracee(pid_t tid, std::shared_ptr<Process> process) {
  auto tracee = std::make_shared<Tracee>();
  tracee->tid = tid;
  tracee->process = std::move(process);
  tracees_[tid] = tracee;
  return tracee;
}

void Tracer::forget(const std::shared_ptr<Tracee>& tracee) {
  tracee->gone = true;
  tracees_.erase(tracee->tid);
}

}  // namespace kebound::supervisor
