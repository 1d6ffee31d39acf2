// SPDX-License-Identifier: Apache-2.0
//
// Starting a program so that it notices nothing of who started it, and what became of it.
#pragma once

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace kebound::posix {

struct LaunchSpec {
  std::string program;                 // as given: looked up in PATH when it has no slash
  std::vector<std::string> arguments;  // argv, [0] included
  // "NAME=VALUE": what differs from this process' own environment.
  std::vector<std::string> environment;
};

// How it ended.
struct Outcome {
  enum class Kind : uint8_t {
    Exited,    // the first program (attach: the process) exited: status
    Signaled,  // it died of a signal: status
    Detached,  // attach: detached on request or because the process went on without us
    BugCheck,  // the host stopped; targets were terminated
    Failed,    // the program could not be started, or the process not attached to: error, remedy,
               // not_found
  };
  Kind kind = Kind::Exited;
  int status = 0;
  bool not_found =
      false;  // Failed: the program does not exist (status 127), else it cannot be executed (126)
  std::string why;          // Failed
  std::string remedy;       // Failed
  uint64_t exceptions = 0;  // bound exceptions taken, whatever became of them
};

// While one lives: SIGINT and SIGQUIT are ignored. The terminal sends them to the programs too, and
// those decide.
class ScopedTerminalSignals {
 public:
  ScopedTerminalSignals() noexcept;
  ScopedTerminalSignals(const ScopedTerminalSignals&) = delete;
  ScopedTerminalSignals& operator=(const ScopedTerminalSignals&) = delete;
  ~ScopedTerminalSignals();

 private:
  struct sigaction interrupt_ {};
  struct sigaction quit_ {};
};

// A child that was forked, made ready and let go to exec.
struct Launched {
  pid_t pid = 0;           // 0: could not be started, `failure` says why
  int exec_error_fd = -1;  // gives an errno if exec fails, end of file if it succeeds
  Outcome failure;
};

// What the host does with the child before it may exec. False, with the reason in the outcome: it
// is not started. Null: nothing.
using PrepareChild = std::function<bool(pid_t child, Outcome& failure)>;

// Context: any thread; the child runs only async-signal-safe code until it execs.
[[nodiscard]] Launched launch(const LaunchSpec& spec, const PrepareChild& prepare);

// The file that would be executed, as execvp(3) looks it up; empty when PATH has none.
[[nodiscard]] std::string find_program(const std::string& name);

// Why a program could not be started, as an outcome.
[[nodiscard]] Outcome launch_failure(std::string why, std::string remedy, bool not_found);

// Whether the launched child runs its program; waits until that is known. Closes the descriptor
// when it does.
[[nodiscard]] bool wait_for_exec(Launched& launched, int& error);

// After the launched child exited without exec: what to tell. Closes the descriptor.
[[nodiscard]] Outcome explain_failed_exec(const Launched& launched, const LaunchSpec& spec);
// The same for an errno that wait_for_exec() gave.
[[nodiscard]] Outcome explain_exec_error(int error, const LaunchSpec& spec);

}  // namespace kebound::posix
