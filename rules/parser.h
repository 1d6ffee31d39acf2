// SPDX-License-Identifier: Apache-2.0
//
// Rules files: docs/rules.md has their grammar.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <string_view>
#include <vector>

#include "rules/rule.h"

namespace kebound::rules {

inline constexpr size_t kMaxFileSize = 1 << 20;
inline constexpr size_t kMaxLineLength = 4096;
inline constexpr size_t kMaxRules = 10'000;

// What is wrong with one line. Columns count bytes from 1.
struct Problem {
  uint32_t line = 0;
  uint32_t column = 0;
  std::string what;  // the word concerned, quoted; empty: the line as a whole
  std::string why;
  std::string remedy;
};

struct ParsedRules {
  std::vector<Rule> rules;        // in the order of the file, lines with a problem left out
  std::vector<Problem> problems;  // at most one a line; the first kMaxProblems
  static constexpr size_t kMaxProblems = 20;
};

// Takes any bytes. `file` is only the name that rules carry. Context: any thread.
[[nodiscard]] ParsedRules parse_rules(std::string_view text, const std::string& file);

// The value as it stands behind "KEY=" to mean exactly `name` and then what the pattern `tail`
// does: with what patterns treat specially escaped, and quoted where blanks ask for it.
[[nodiscard]] std::string quoted_pattern(std::string_view name, std::string_view tail = {});

}  // namespace kebound::rules
