// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <array>
#include <exception>

#include "tools/kebound/command.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/message.h"

namespace kebound::tool {
namespace {

constexpr std::array kCommands{
    Command{"run", "run a program, ask callbacks about its bound exceptions", run_main},
    Command{"attach", "do the same with a process that is running already", attach_main},
    Command{"monitor", "report what the kernel module tells of all processes", monitor_main},
    Command{"report", "render recorded events: text, jsonl, sarif, html", report_main},
    Command{"replay", "put recorded exceptions before changed drivers", replay_main},
    Command{"scan", "list the bounds checks of a program or library", scan_main},
};

std::string usage() {
  std::string text =
      "Usage: kebound COMMAND [OPTION]... [ARG]...\n"
      "NT bound-exception callbacks over the bound exceptions of Linux programs.\n\n";
  for (const Command& command : kCommands) {
    text += fmt::format("  {:<22} {}\n", command.name, command.summary);
  }
  text += fmt::format("  {:<22} show this help; also behind a COMMAND\n", "-h, --help");
  text += fmt::format("  {:<22} show the version\n", "-V, --version");
  return text +
         "\nEnvironment: KEBOUND_OPTIONS: options for every run; NO_COLOR: no colour.\n"
         "Manual: man kebound, man KeRegisterBoundCallback\n";
}

// A closed standard stream's number would be given to the next file that is opened, and messages
// would go there. The target still finds it closed.
void reserve_standard_streams() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

int main_with(const std::vector<std::string>& words) {
  if (words.empty()) {
    print_message({"COMMAND", "none is given", "see 'kebound --help'"});
    return kStatusFailure;
  }
  const std::string& first = words[0];
  if (first == "--help" || first == "-h") return print_help(usage());
  if (first == "--version" || first == "-V") return print_help("kebound " KEBOUND_VERSION "\n");
  for (const Command& command : kCommands) {
    if (first == command.name) return command.main({words.begin() + 1, words.end()});
  }
  const bool is_option = !first.empty() && first[0] == '-';
  print_message({is_option ? first : "'" + first + "'",
                 is_option ? "unknown option" : "no such command", "see 'kebound --help'"});
  return kStatusFailure;
}

}  // namespace

int print_help(const std::string& text) {
  if (fputs(text.c_str(), stdout) < 0 || fflush(stdout) != 0) {
    print_message({"standard output", error_text(errno), "choose another place for it"});
    return kStatusFailure;
  }
  return 0;
}

}  // namespace kebound::tool

int main(int argc, char** argv) {
  using namespace kebound::tool;
  reserve_standard_streams();
  try {
    return main_with({argv + (argc > 0 ? 1 : 0), argv + argc});
  } catch (const std::exception& error) {
    print_message({"internal error", error.what(), "please report it with the command line"});
    return kStatusFailure;
  }
}
