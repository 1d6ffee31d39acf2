// SPDX-License-Identifier: Apache-2.0
//
// kebound run: starts a program and stays with it and its descendants.
#include <stdio.h>
#include <stdlib.h>

#include <utility>

#include "tools/kebound/command.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/inproc_rules.h"
#include "tools/kebound/inproc_session.h"
#include "tools/kebound/message.h"
#include "tools/kebound/rules_file.h"
#include "tools/kebound/session.h"

namespace kebound::tool {
namespace {

constexpr Syntax kSyntax{
    "run", "[--] PROGRAM [ARG]...",
    "Run PROGRAM; ask the bound callbacks about each of its bound exceptions.",
    "Exit status: PROGRAM's or its signal; N of --error-exitcode; 123 bug check; 124\n"
    "driver not loaded; 125 kebound failed; 126, 127 PROGRAM cannot run, not found.\n"};

}  // namespace

int run_main(const std::vector<std::string>& words) {
  ParseResult parsed = parse_command_line(kSyntax, words, getenv("KEBOUND_OPTIONS"));
  if (const auto* help = std::get_if<HelpText>(&parsed)) return print_help(help->text);
  if (const auto* wrong = std::get_if<Message>(&parsed)) {
    print_message(*wrong);
    return kStatusFailure;
  }
  CommandLine& command_line = std::get<CommandLine>(parsed);
  if (command_line.operands.empty()) {
    print_message({"PROGRAM", "none is given", "see 'kebound run --help'"});
    return kStatusFailure;
  }
  const TraceOptions& options = command_line.options;
  const posix::LaunchSpec spec{command_line.operands[0], command_line.operands, {}};
  std::vector<rules::Rule> rules;
  if (!read_rules(options.rules, rules)) return kStatusFailure;
  const Explain explain = [&] { return explain_program(spec.program, getenv("PATH")); };
  if (options.host != HostChoice::Supervisor) {
    Message why_not;
    const std::string folder = find_inproc_host(options, spec.program, why_not);
    auto wrong_rule = find_rule_for_supervisor(rules);
    if (!folder.empty() && !wrong_rule) {
      return run_inproc_session(options, rules, spec, folder, explain);
    }
    if (options.host == HostChoice::InProcess) {
      print_message(wrong_rule ? *wrong_rule : why_not);
      return wrong_rule ? kStatusFailure : kStatusCannotExecute;
    }
  }
  Job job;
  job.what = spec.program.empty() ? "PROGRAM" : spec.program;
  job.start = [&](supervisor::Supervisor& supervisor) { return supervisor.run(spec); };
  job.explain = explain;
  return run_session(options, std::move(rules), job);
}

}  // namespace kebound::tool
