// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace kebound::tool {

// A subcommand: `words` is what follows its name. Returns the exit status. Context: the main
// thread, once.
struct Command {
  const char* name;
  const char* summary;
  int (*main)(const std::vector<std::string>& words);
};

int run_main(const std::vector<std::string>& words);      // run.cc
int attach_main(const std::vector<std::string>& words);   // attach.cc
int monitor_main(const std::vector<std::string>& words);  // monitor.cc
int report_main(const std::vector<std::string>& words);   // report.cc
int replay_main(const std::vector<std::string>& words);   // replay.cc
int scan_main(const std::vector<std::string>& words);     // scan.cc

// Writes a help text to standard output. Returns the exit status: 0, or kStatusFailure if it cannot
// be written.
int print_help(const std::string& text);

}  // namespace kebound::tool
