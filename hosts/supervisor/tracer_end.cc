// SPDX-License-Identifier: Apache-2.0
//
// How threads, processes and whole runs end, or are let go.
#include <errno.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <vector>

#include "hosts/supervisor/ptrace.h"
#include "hosts/supervisor/tracer.h"
#include "nt/host.h"

namespace kebound::supervisor {

void Tracer::on_end(const std::shared_ptr<Tracee>& tracee, WaitStatus status) {
  forget(tracee);
  const pid_t pid = tracee->process->pid;
  if (tracee->tid != pid) return;
  // The leader's end is reported last: the process is gone.
  processes_.erase(pid);
  const bool signaled = status.kind() == WaitStatus::Kind::Signaled;
  const int code = signaled ? status.signal() : status.exit_status();
  if (program_started_) emit(events::ProcessExited{events::realtime_ns(), pid, signaled, code});
  if (pid != first_pid_) return;
  Outcome outcome;
  outcome.kind = signaled ? Outcome::Kind::Signaled : Outcome::Kind::Exited;
  outcome.status = code;
  outcome_ = outcome;
  first_pid_ = 0;
}

// A thread can be detached only while it stops. The ones that a callback decides about get their
// signal, as if nobody had handled it; the others are interrupted and detached at their next stop.
void Tracer::detach_all() {
  detaching_ = true;
  std::vector<std::shared_ptr<Tracee>> all;
  for (const auto& [tid, tracee] : tracees_) all.push_back(tracee);
  for (const auto& tracee : all) {
    if (tracee->in_callback) {
      calls_.leave(*tracee, 0);
      ptrace_detach(tracee->tid, tracee->held_signal);
      forget(tracee);
    } else if (ptrace_interrupt(tracee->tid) != PtraceResult::Ok) {
      forget(tracee);
    }
  }
  while (!tracees_.empty()) {
    int status = 0;
    const pid_t tid = waitpid(-1, &status, __WALL);
    if (tid < 0 && errno == EINTR) continue;
    if (tid < 0) break;
    on_status(tid, WaitStatus(status));
  }
}

void Tracer::terminate_all() {
  for (const auto& [tid, tracee] : tracees_) kill(tracee->process->pid, SIGKILL);
  while (!tracees_.empty()) {
    int status = 0;
    const pid_t tid = waitpid(-1, &status, __WALL);
    if (tid < 0 && errno == EINTR) continue;
    if (tid < 0) break;
    const WaitStatus what(status);
    const auto found = tracees_.find(tid);
    if (what.kind() != WaitStatus::Kind::Exited && what.kind() != WaitStatus::Kind::Signaled) {
      kill(tid, SIGKILL);  // one that was made meanwhile
      ptrace_continue(tid, 0);
      if (found == tracees_.end()) static_cast<void>(find_or_adopt(tid));
    } else if (found != tracees_.end()) {
      on_end(std::shared_ptr<Tracee>(found->second), what);
    }
  }
}

void Tracer::give_up_callbacks() {
  abandoned_callbacks_ = true;
  for (void* const owner : scheduler_.parked_owners()) {
    const auto* const stop = static_cast<const BoundStop*>(static_cast<const DriverTask*>(owner));
    nt::host().violation(
        {"callback-never-returned", "", "",
         fmt::format(
             "a callback for thread {} still waits {} s after the last program ended; its drivers "
             "are not unloaded",
             stop->tracee->tid, kCallbackGraceNs / 1'000'000'000)});
  }
}

}  // namespace kebound::supervisor
