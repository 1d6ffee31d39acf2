// SPDX-License-Identifier: Apache-2.0
//
// From names in rules to addresses in files: what the supervisor finds out when an exception
// happens, found out for all of a file's code before anything does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "report/symbol_process.h"
#include "rules/rule.h"
#include "rules/table_builder.h"

namespace kebound::report {

// The ranges for each rule that needs_ranges(), on the calling thread. Nothing if `path` is no ELF
// file that can be read.
[[nodiscard]] std::optional<rules::KnownModule> ranges_of(const std::vector<rules::Rule>& rules,
                                                          const std::string& path,
                                                          const std::string& debug_path);

// The same in a process of its own (see SymbolProcess). Context: one thread.
class RuleRanges {
 public:
  // Null if no process can be had. `seconds`: for one file.
  static std::unique_ptr<RuleRanges> start(std::vector<rules::Rule> rules, std::string debug_path,
                                           unsigned seconds = 120);
  // Nothing as above, or if the file was too much for the process.
  [[nodiscard]] std::optional<rules::KnownModule> find(const std::string& path);

 private:
  RuleRanges(std::unique_ptr<SymbolProcess> process, size_t rules)
      : process_(std::move(process)), rule_count_(rules) {}
  std::unique_ptr<SymbolProcess> process_;
  size_t rule_count_;
};

}  // namespace kebound::report
