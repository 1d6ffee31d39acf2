// SPDX-License-Identifier: Apache-2.0
//
// What a rule does about an exception, and how often. Plain data and atomics only: the in-process
// host has them in memory that it shares with other processes.
#pragma once

#include <stdint.h>

#include "core/atomic.h"

namespace kebound::rules {

enum class Action : uint8_t { Propagate, Clamp, Skip, Terminate };

// Which of a rule's exceptions get into the report.
enum class Reporting : uint8_t {
  All,
  First,    // at each site the first `report_count`
  Sample,   // at each site the first, and from there every report_count-th
  Nothing,  // suppressed: not counted for --error-exitcode either
};

inline constexpr uint64_t kNeverFatal = UINT64_MAX;

struct Limits {
  uint64_t report_count = 0;           // not 0 for First and Sample
  uint64_t fatal_after = kNeverFatal;  // so many are tolerated, the next one is terminated
  Action action = Action::Propagate;
  Reporting reporting = Reporting::All;
  uint8_t reserved[6] = {};
};
static_assert(sizeof(Limits) == 24);  // the same for i386 and x86-64

// What became of one rule's exceptions.
struct RuleCounts {
  Atomic<uint64_t> matched;
  Atomic<uint64_t> reported;
  Atomic<uint64_t> suppressed;  // by ignore and quiet; the rest of matched was limited
};
static_assert(sizeof(RuleCounts) == 24);

struct Ruling {
  Action action = Action::Propagate;
  bool is_reported = true;
  bool is_counted = true;  // for --error-exitcode
  bool is_fatal = false;   // Terminate by fatal_after
};

// Counts one more exception of the rule at a site, and says what is to be done. Of exceptions at
// the same time each gets another number, so that First reports exactly so many, and exactly the
// ones above fatal_after are terminated. Context: any thread, signal handlers too.
[[nodiscard]] Ruling decide(const Limits& limits, RuleCounts& counts,
                            Atomic<uint64_t>& at_site) noexcept;

// What a ruling kept out of the report is reported nevertheless. `was_counted`: as the ruling said.
// Context: as above.
void report_after_all(RuleCounts& counts, bool was_counted) noexcept;

}  // namespace kebound::rules
