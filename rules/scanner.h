// SPDX-License-Identifier: Apache-2.0
//
// A line of a rules file as words. The parser's own.
#pragma once

#include <stddef.h>

#include <optional>
#include <string>
#include <string_view>

#include "rules/parser.h"

namespace kebound::rules {

// NAME, NAME=VALUE or NAME="VALUE". The quotes are gone from the value, and the backslashes before
// quotes in it; the others are the pattern's.
struct Word {
  std::string_view name;
  std::optional<std::string> value;
  size_t column = 0;        // of the name, from 1
  size_t value_column = 0;  // behind the '=' and a '"'
};

class Scanner {
 public:
  explicit Scanner(std::string_view line) : line_(line) {}

  // The next word; nothing at the end of the line, before a comment, and after a problem.
  [[nodiscard]] std::optional<Word> next();
  // What is wrong with the line, if anything: its `line` is not filled in.
  [[nodiscard]] const std::optional<Problem>& problem() const noexcept { return problem_; }
  // Where the last word ended, from 0.
  [[nodiscard]] size_t end_of_words() const noexcept { return end_; }

 private:
  void fail(size_t at, const std::string& what, std::string why, std::string remedy);
  [[nodiscard]] bool at_end() const noexcept { return at_ == line_.size(); }
  [[nodiscard]] std::optional<std::string> quoted();
  [[nodiscard]] std::optional<std::string> bare();

  std::string_view line_;
  size_t at_ = 0;
  size_t end_ = 0;
  std::optional<Problem> problem_;
};

}  // namespace kebound::rules
