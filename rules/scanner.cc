// SPDX-License-Identifier: Apache-2.0
#include "rules/scanner.h"

#include <utility>

namespace kebound::rules {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string in_quotes(const std::string& text) { return "'" + text + "'"; }

constexpr const char* kQuoteWhole = "put the whole value between quotes: KEY=\"VALUE\"";

}  // namespace

void Scanner::fail(size_t at, const std::string& what, std::string why, std::string remedy) {
  problem_ =
      Problem{0, static_cast<uint32_t>(at + 1), in_quotes(what), std::move(why), std::move(remedy)};
}

std::optional<std::string> Scanner::quoted() {
  const size_t open = at_++;
  std::string value;
  while (!at_end() && line_[at_] != '"') {
    if (line_[at_] == '\\' && at_ + 1 < line_.size()) {
      if (line_[at_ + 1] != '"') value += '\\';
      ++at_;
    }
    value += line_[at_++];
  }
  if (at_end()) {
    fail(open, "\"", "is not closed", "end the value with a quote on the same line");
    return std::nullopt;
  }
  ++at_;
  if (!at_end() && !is_blank(line_[at_])) {
    fail(at_, std::string(1, line_[at_]), "stands right behind a quoted value", kQuoteWhole);
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> Scanner::bare() {
  const size_t begin = at_;
  while (!at_end() && !is_blank(line_[at_])) {
    if (line_[at_] == '"') {
      fail(at_, "\"", "stands in the middle of a value", kQuoteWhole);
      return std::nullopt;
    }
    ++at_;
  }
  return std::string(line_.substr(begin, at_ - begin));
}

std::optional<Word> Scanner::next() {
  if (problem_) return std::nullopt;
  while (!at_end() && is_blank(line_[at_])) ++at_;
  if (at_end() || line_[at_] == '#') return std::nullopt;
  Word word;
  const size_t begin = at_;
  word.column = begin + 1;
  while (!at_end() && !is_blank(line_[at_]) && line_[at_] != '=') {
    if (is_control(line_[at_])) {
      fail(at_, std::string(1, line_[at_]), "is a control character",
           "a rules file is text: take it out");
      return std::nullopt;
    }
    ++at_;
  }
  word.name = line_.substr(begin, at_ - begin);
  if (!at_end() && line_[at_] == '=') {
    ++at_;
    const bool has_quotes = !at_end() && line_[at_] == '"';
    word.value_column = at_ + (has_quotes ? 2 : 1);
    word.value = has_quotes ? quoted() : bare();
    if (!word.value) return std::nullopt;
    for (size_t i = 0; i < word.value->size(); ++i) {
      if (!is_control((*word.value)[i])) continue;
      fail(word.value_column - 1, std::string(word.name), "has a control character in its value",
           "write '?' for it");
      return std::nullopt;
    }
  }
  end_ = at_;
  return word;
}

}  // namespace kebound::rules
