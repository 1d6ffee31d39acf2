// SPDX-License-Identifier: Apache-2.0
//
// The options that run and attach share, and where they come from: KEBOUND_OPTIONS first, then the
// command line.
#pragma once

#include <stdint.h>

#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "hosts/driver/builtin_driver.h"
#include "hosts/supervisor/supervisor.h"
#include "nt/facility.h"
#include "tools/kebound/message.h"

namespace kebound::tool {

enum class ReportFormat : uint8_t { Text, JsonLines, Sarif, Html, Journal, None };

// Where the callbacks run.
enum class HostChoice : uint8_t {
  Supervisor,  // in kebound, which traces the program
  InProcess,   // in the program, by a preloaded library
  Auto,        // in the program if it and the options allow it
};

struct TraceOptions {
  HostChoice host = HostChoice::Supervisor;
  // Options whose value only the supervisor can honour, in the order of their names.
  std::set<std::string> supervisor_only;
  std::vector<std::string> drivers;  // in order of loading
  std::optional<driver::OnBound>
      on_bound;  // unset: propagate without a driver, no built-in driver with one
  nt::Profile profile = nt::Profile::Default;
  ReportFormat report = ReportFormat::Text;
  std::optional<std::string> output;  // unset: standard error; "-": standard output
  std::optional<std::string> source_root;  // unset: the working directory
  std::optional<int> error_exitcode;  // 1..255
  uint64_t livelock_limit = 10'000;   // exceptions in a row, 0 = never
  std::string calls = "all";  // which failed checks that end in a call: calls::parse_families()
  unsigned callback_threads = 0;
  supervisor::Options::Pin pin = supervisor::Options::Pin::Follow;
  int pin_cpu = 0;
  supervisor::Options::Backtraces backtraces = supervisor::Options::Backtraces::First;
  std::vector<std::string> rules;  // files, in the order in which their rules are asked
  bool gen_suppressions = false;
  bool verbose = false;
};

// A subcommand as its user writes it.
struct Syntax {
  const char* name;      // "run"
  const char* operands;  // "[--] PROGRAM [ARG]..."
  const char* summary;   // one line
  const char* statuses;  // the last paragraph of --help
};

struct CommandLine {
  TraceOptions options;
  std::vector<std::string> operands;  // from the first word that is no option, or behind "--"
};

struct HelpText {
  std::string text;
};

// A command line, the answer to --help, or the usage error to report.
using ParseResult = std::variant<CommandLine, HelpText, Message>;

// `words`: what follows the subcommand's name. `environment`: the value of KEBOUND_OPTIONS, null if
// unset.
[[nodiscard]] ParseResult parse_command_line(const Syntax& syntax,
                                             const std::vector<std::string>& words,
                                             const char* environment);

}  // namespace kebound::tool
