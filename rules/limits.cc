// SPDX-License-Identifier: Apache-2.0
#include "rules/limits.h"

namespace kebound::rules {

Ruling decide(const Limits& limits, RuleCounts& counts, Atomic<uint64_t>& at_site) noexcept {
  // Relaxed: the counts guard nothing, and fetch_add gives each number once in any order.
  constexpr auto kRelaxed = MemoryOrder::Relaxed;
  Ruling ruling;
  ruling.action = limits.action;
  const uint64_t before = counts.matched.fetch_add(1, kRelaxed);
  ruling.is_fatal = before >= limits.fatal_after;
  if (ruling.is_fatal) ruling.action = Action::Terminate;
  switch (limits.reporting) {
    case Reporting::All:
      break;
    case Reporting::First:
      ruling.is_reported = at_site.fetch_add(1, kRelaxed) < limits.report_count;
      break;
    case Reporting::Sample:
      ruling.is_reported = at_site.fetch_add(1, kRelaxed) % limits.report_count == 0;
      break;
    case Reporting::Nothing:
      ruling.is_reported = false;
      ruling.is_counted = false;
      break;
  }
  // Nobody's process ends without a word.
  if (ruling.is_fatal) ruling.is_reported = ruling.is_counted = true;
  if (ruling.is_reported) counts.reported.fetch_add(1, kRelaxed);
  if (!ruling.is_counted) counts.suppressed.fetch_add(1, kRelaxed);
  return ruling;
}

void report_after_all(RuleCounts& counts, bool was_counted) noexcept {
  counts.reported.fetch_add(1, MemoryOrder::Relaxed);
  if (!was_counted) counts.suppressed.fetch_add(~uint64_t{0}, MemoryOrder::Relaxed);
}

}  // namespace kebound::rules
