// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

namespace kebound::supervisor {

// What waitpid() said of a seized thread, with ptrace's encodings taken apart in one place
// (ptrace(2), "Stopped states").
class WaitStatus {
 public:
  enum class Kind {
    Exited,
    Signaled,
    SignalDelivery,  // about to receive signal()
    GroupStop,       // stopped with its whole process by signal()
    Event,           // event(): clone, fork, vfork, exec, or a trap of PTRACE_EVENT_STOP
    Other,
  };

  explicit WaitStatus(int raw) noexcept : raw_(raw) {}

  [[nodiscard]] Kind kind() const noexcept {
    if (WIFEXITED(raw_)) return Kind::Exited;
    if (WIFSIGNALED(raw_)) return Kind::Signaled;
    if (!WIFSTOPPED(raw_)) return Kind::Other;
    if (event() == 0) return Kind::SignalDelivery;
    if (event() != PTRACE_EVENT_STOP) return Kind::Event;
    switch (WSTOPSIG(raw_)) {
      case SIGSTOP:
      case SIGTSTP:
      case SIGTTIN:
      case SIGTTOU:
        return Kind::GroupStop;
      default:
        return Kind::Event;
    }
  }
  [[nodiscard]] int event() const noexcept { return raw_ >> 16; }
  [[nodiscard]] int signal() const noexcept {
    return WIFSIGNALED(raw_) ? WTERMSIG(raw_) : WSTOPSIG(raw_);
  }
  [[nodiscard]] int exit_status() const noexcept { return WEXITSTATUS(raw_); }

 private:
  int raw_;
};

}  // namespace kebound::supervisor
