// SPDX-License-Identifier: Apache-2.0
//
// One run from open report to exit status: what `run` and `attach` have in common.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hosts/supervisor/supervisor.h"
#include "rules/rule.h"
#include "tools/kebound/options.h"
#include "tools/kebound/report_file.h"

namespace kebound::tool {

struct Job {
  std::string what;  // the program or process, as messages call it
  std::function<supervisor::Outcome(supervisor::Supervisor&)> start;
  Explain explain;  // may be null
};

// Opens the report, loads the drivers, does the job, unloads, finishes the report. `rules`: those
// of
// --rules. Returns the exit status; does not return if the target died of a signal: then this
// process does too. Context: the main thread, once per process.
[[nodiscard]] int run_session(const TraceOptions& options, std::vector<rules::Rule> rules,
                              const Job& job);

}  // namespace kebound::tool
