// SPDX-License-Identifier: Apache-2.0
//
// The ptrace host: runs or attaches to programs, decides which stops are bound exceptions, asks the
// registered callbacks, carries their answer out. docs/architecture.md describes its parts.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "events/record.h"
#include "events/trap_messages.h"
#include "hosts/posix/launch.h"
#include "trap/calls/call_source.h"

namespace kebound::driver {
class Policy;
}

namespace kebound::supervisor {

struct Options {
  // Where records go; null: nothing is recorded (the fast path then builds no record).
  events::Sink* sink = nullptr;
  // Rules for the built-in driver; null: there are none. Borrowed.
  driver::Policy* policy = nullptr;
  // Words in debug information; null: nobody knows any. Borrowed.
  events::TrapMessages* trap_messages = nullptr;
  // CONTRACT's livelock guard: exceptions in a row; 0 = never.
  uint64_t livelock_limit = 10'000;
  // Callbacks run on fibers of the tracing thread, or with N > 0 on N worker threads (for callbacks
  // that block by other means than the NT face's waits).
  unsigned callback_threads = 0;
  // Which processor the tracing thread keeps to.
  enum class Pin : uint8_t {
    Follow,  // the one that the target runs on (default)
    None,
    Fixed,  // pin_cpu
  };
  Pin pin = Pin::Follow;
  int pin_cpu = 0;
  // Which checks that end in a call are sources of bound exceptions.
  calls::FamilySet calls = calls::kAllFamilies;
  // Stack snapshots for backtraces.
  enum class Backtraces : uint8_t {
    First,  // the first exception at each place of each program (default)
    All,
    None,
  };
  Backtraces backtraces = Backtraces::First;
};

using posix::LaunchSpec;
using posix::Outcome;

// One per process. The thread that constructs it is the tracing thread and must be the one that
// calls run()/attach(). Sets itself as nt::host(). Drivers are loaded after construction and before
// run(), on the same thread.
class Supervisor {
 public:
  explicit Supervisor(const Options& options);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor();

  // Runs `fn` as NT code on the tracing thread's fiber (DriverEntry, DriverUnload). False if it was
  // not run to its end: a bug check ended it, or callbacks that never returned forbid it
  // (reported).
  bool run_driver_code(void (*fn)(void*), void* argument);
  // A bug check has stopped this host, whenever that was.
  [[nodiscard]] bool bug_check_raised() const noexcept;

  // Starts the program and traces it and all its descendants until the last one is gone.
  [[nodiscard]] Outcome run(const LaunchSpec& spec);
  // Attaches to all threads of a running process, and to its future descendants. The targets
  // survive us.
  [[nodiscard]] Outcome attach(pid_t pid);

  // Ends run()/attach() soon: attach detaches, run forwards SIGTERM. Context: signal handlers too.
  void request_stop() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kebound::supervisor
