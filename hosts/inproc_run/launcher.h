// SPDX-License-Identifier: Apache-2.0
//
// Runs programs that have kebound in themselves: starts one with the preload library, and makes a
// report of what its processes write into the event ring. Nothing is traced: the callbacks run in
// the program, and it does not depend on us once it runs.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "events/record.h"
#include "events/trap_messages.h"
#include "hosts/posix/launch.h"
#include "rules/rule.h"

namespace kebound::inproc_run {

using posix::LaunchSpec;
using posix::Outcome;

struct Options {
  // Where records go; null: they are only counted.
  events::Sink* sink = nullptr;
  // Words in debug information, looked up on a thread of ours; null: nobody knows any. Borrowed.
  events::TrapMessages* trap_messages = nullptr;
  // What LD_PRELOAD gets: a path in which $LIB stands for the loader's library folder. Without
  // blanks and colons, which end a path there.
  std::string library;
  // The preload library's own options (docs/inproc.md).
  std::string on_bound = "propagate";
  std::string profile = "default";
  uint64_t livelock_limit = 10'000;
  std::string calls = "all";  // as --calls takes it
  // Records that fit into the ring, not quite a kilobyte each; a power of two. Memory is taken
  // as it is used.
  uint32_t capacity = 65'536;
  // Rules for the built-in callback: what build_table() made of them, and what reports call them.
  // Empty: there are none.
  std::vector<uint8_t> rules_table;
  std::vector<rules::Rule> rules;
};

struct RuleTotals {
  uint64_t matched = 0;
  uint64_t reported = 0;
  uint64_t suppressed = 0;
};

// Context: one per process, on the main thread, before programs run.
class Launcher {
 public:
  // Throws std::system_error if there is no memory for the ring.
  explicit Launcher(const Options& options);
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;
  ~Launcher();

  // Starts the program and stays until it and all its descendants are gone: their orphans become
  // children of this process. A bug check in any of them makes Outcome::Kind::BugCheck.
  [[nodiscard]] Outcome run(const LaunchSpec& spec);

  // Of each of the rules. Context: after run().
  [[nodiscard]] std::vector<RuleTotals> rule_totals() const;

  // Passes SIGTERM to the program. Context: signal handlers too.
  void request_stop() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kebound::inproc_run
