// SPDX-License-Identifier: Apache-2.0
//
// kebound attach: joins a running process. It survives us.
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include <charconv>
#include <utility>

#include "tools/kebound/command.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/rules_file.h"
#include "tools/kebound/session.h"

namespace kebound::tool {
namespace {

constexpr Syntax kSyntax{
    "attach", "PID", "Join the running process PID; ask the callbacks about its bound exceptions.",
    "Exit status: 0 detached by SIGTERM or SIGHUP; PID's; N of --error-exitcode; 123\n"
    "bug check; 124 driver; 125 kebound failed; 126, 127 PID refused, does not exist.\n"};

}  // namespace

int attach_main(const std::vector<std::string>& words) {
  ParseResult parsed = parse_command_line(kSyntax, words, getenv("KEBOUND_OPTIONS"));
  if (const auto* help = std::get_if<HelpText>(&parsed)) return print_help(help->text);
  if (const auto* wrong = std::get_if<Message>(&parsed)) {
    print_message(*wrong);
    return kStatusFailure;
  }
  const CommandLine& command_line = std::get<CommandLine>(parsed);
  const char* const see_help = "see 'kebound attach --help'";
  if (command_line.operands.size() != 1) {
    print_message({"PID",
                   command_line.operands.empty() ? "none is given" : "more than one is given",
                   see_help});
    return kStatusFailure;
  }
  const std::string& text = command_line.operands[0];
  pid_t pid = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, pid);
  if (error != std::errc{} || stop != end || pid <= 0) {
    print_message({"PID", "'" + text + "' is not a process number", see_help});
    return kStatusFailure;
  }
  if (pid == getpid()) {
    print_message({"PID", text + " is kebound itself", "give another process"});
    return kStatusFailure;
  }
  if (command_line.options.host == HostChoice::InProcess) {
    print_message({"--host", "a running process cannot be given a library",
                   "use --host supervisor, or start the program with 'kebound run'"});
    return kStatusFailure;
  }
  std::vector<rules::Rule> rules;
  if (!read_rules(command_line.options.rules, rules)) return kStatusFailure;
  Job job;
  job.what = "process " + text;
  job.start = [&](supervisor::Supervisor& supervisor) { return supervisor.attach(pid); };
  return run_session(command_line.options, std::move(rules), job);
}

}  // namespace kebound::tool
