// SPDX-License-Identifier: Apache-2.0
//
// One line of a rules file (docs/rules.md), and whether it is about a given exception.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/limits.h"

namespace kebound::rules {

struct Range {
  uint64_t first = 0;
  uint64_t last = 0;  // inclusive
  [[nodiscard]] bool contains(uint64_t value) const noexcept {
    return first <= value && value <= last;
  }
};

// What a rule asks for; what is empty or absent fits everything. All but line, offset and build_id
// are patterns.
struct Conditions {
  std::string source;
  std::string check;
  std::string module;
  std::string function;
  std::string file;
  std::string caller;
  std::string build_id;  // lower-case hexadecimal digits, a prefix of the whole
  std::optional<Range> line;
  std::optional<Range> offset;

  // A name or a line of source code has to be found.
  [[nodiscard]] bool need_symbols() const noexcept {
    return !function.empty() || !file.empty() || line.has_value();
  }
};

struct Rule {
  Limits limits;
  Conditions conditions;
  std::string file;  // of rules, as it was named
  uint32_t line = 0;
  std::string text;  // as it was written, without its comment
  [[nodiscard]] std::string place() const { return file + ":" + std::to_string(line); }
};

// What a report says of a process that fatal-after has ended.
[[nodiscard]] std::string fatal_reason(const Rule& rule);

// A source-level function at an address; unknown parts are empty or 0.
struct SourcePosition {
  std::string function;  // demangled
  std::string file;
  uint32_t line = 0;
};

// What can be known of the place of a failed check.
struct Site {
  std::string source;
  std::string check;
  std::string module;                // path, as the target sees it
  std::string build_id;              // hexadecimal digits
  std::optional<uint64_t> offset;    // the module's own address of the check
  std::vector<SourcePosition> here;  // innermost first; more than one where functions were inlined
};

// All conditions but the caller's. function, file and line must fit one and the same of site.here.
[[nodiscard]] bool matches_site(const Conditions& conditions, const Site& site) noexcept;

// Whether a function called `name` is meant by the pattern: with its parameter list, or without.
[[nodiscard]] bool matches_function(std::string_view pattern, std::string_view name) noexcept;

// "lib::pick(int) const" -> "lib::pick"; a name without a parameter list is left as it is.
[[nodiscard]] std::string_view without_parameters(std::string_view name) noexcept;

}  // namespace kebound::rules
