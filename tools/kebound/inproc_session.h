// SPDX-License-Identifier: Apache-2.0
//
// One run in which the callbacks are in the program: `run --host inproc`.
#pragma once

#include <string>
#include <vector>

#include "hosts/posix/launch.h"
#include "rules/rule.h"
#include "tools/kebound/report_file.h"

namespace kebound::tool {

// The folder of the preload library if `program` and the options allow this host. Otherwise empty,
// and `why` says what does not fit.
[[nodiscard]] std::string find_inproc_host(const TraceOptions& options, const std::string& program,
                                           Message& why);

// Opens the report, runs the program with the library of `folder`, finishes the report. Returns the
// exit status; does not return if the program died of a signal. Context: the main thread, once per
// process.
[[nodiscard]] int run_inproc_session(const TraceOptions& options,
                                     const std::vector<rules::Rule>& rules,
                                     const posix::LaunchSpec& spec, const std::string& folder,
                                     const Explain& explain);

}  // namespace kebound::tool
