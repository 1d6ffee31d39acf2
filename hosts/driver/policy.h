// SPDX-License-Identifier: Apache-2.0
//
// How a host tells the built-in driver what the rules of --rules say about one exception.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "events/record.h"
#include "hosts/driver/builtin_driver.h"
#include "rules/limits.h"
#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::driver {

struct Decision {
  OnBound action = OnBound::Propagate;
  bool is_reported = true;
  bool is_counted = true;   // for --error-exitcode
  events::SharedName rule;  // "rules.txt:12"; null: no rule is about the exception
  std::string reason;       // why not the rule's own action; mostly empty
  rules::RuleCounts* counts = nullptr;
};

// The rule that is about an exception.
class Match {
 public:
  virtual ~Match() = default;
  // Counts one more. Context: any thread.
  [[nodiscard]] virtual Decision decide() = 0;
};

// One exception while its thread stands still.
struct Sighting {
  const BoundEvent& event;
  const x86::Registers& registers;
  std::shared_ptr<const events::ModuleMap> modules;  // null: the process is gone
  // May be null, or give null.
  std::function<std::shared_ptr<const events::StackSnapshot>()> stack;
};

class Policy {
 public:
  virtual ~Policy() = default;
  // Null if no rule is about it. At the first exception of a place it may take as long as names
  // take to be found. Context: one thread, the tracing thread.
  [[nodiscard]] virtual std::shared_ptr<Match> look_up(const Sighting& sighting) = 0;
};

// What a host carries with one exception; nt::Thread::advice points to it while callbacks run.
struct Advice {
  std::shared_ptr<Match> match;
  Decision decision;  // once the built-in driver was asked
  bool was_asked = false;
  std::string refusal;  // what the built-in driver did not do, and why; mostly empty
};

}  // namespace kebound::driver
