// SPDX-License-Identifier: Apache-2.0
#include "rules/rule.h"

#include <algorithm>

#include "rules/glob.h"

namespace kebound::rules {
namespace {

// An empty pattern asks for nothing.
bool fits(std::string_view pattern, std::string_view name) noexcept {
  return pattern.empty() || glob_match(pattern, name);
}

bool fits_path(std::string_view pattern, std::string_view path) noexcept {
  return pattern.empty() || (!path.empty() && glob_match_path(pattern, path));
}

bool fits_position(const Conditions& conditions, const SourcePosition& position) noexcept {
  if (!conditions.function.empty() && !matches_function(conditions.function, position.function)) {
    return false;
  }
  if (!fits_path(conditions.file, position.file)) return false;
  return !conditions.line || (position.line != 0 && conditions.line->contains(position.line));
}

}  // namespace

std::string fatal_reason(const Rule& rule) {
  return "fatal-after=" + std::to_string(rule.limits.fatal_after) + " of the rule at " +
         rule.place();
}

std::string_view without_parameters(std::string_view name) noexcept {
  std::string_view rest = name;
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view suffix : {" const", " volatile", " &", "&", " noexcept"}) {
      if (rest.ends_with(suffix)) {
        rest.remove_suffix(suffix.size());
        again = true;
      }
    }
    // "f(int) [clone .cold]"
    if (const size_t clone = rest.rfind(" [clone "); rest.ends_with(']') && clone != rest.npos) {
      rest = rest.substr(0, clone);
      again = true;
    }
  }
  if (!rest.ends_with(')')) return name;
  size_t depth = 0;
  size_t open = rest.size();
  while (open > 0) {
    --open;
    if (rest[open] == ')') ++depth;
    if (rest[open] == '(' && --depth == 0) break;
  }
  rest = rest.substr(0, open);
  // "operator()" is a name, its parentheses are no list; "(anonymous namespace)" is not one either.
  if (depth != 0 || rest.empty() || rest.ends_with("operator") || rest.ends_with("::")) return name;
  return rest;
}

bool matches_function(std::string_view pattern, std::string_view name) noexcept {
  if (name.empty()) return false;
  return glob_match(pattern, name) || glob_match(pattern, without_parameters(name));
}

bool matches_site(const Conditions& conditions, const Site& site) noexcept {
  if (!fits(conditions.source, site.source) || !fits(conditions.check, site.check)) return false;
  if (!fits_path(conditions.module, site.module)) return false;
  if (!conditions.build_id.empty() && !site.build_id.starts_with(conditions.build_id)) return false;
  if (conditions.offset && !(site.offset && conditions.offset->contains(*site.offset))) {
    return false;
  }
  if (!conditions.need_symbols()) return true;
  return std::any_of(site.here.begin(), site.here.end(),
                     [&](const auto& position) { return fits_position(conditions, position); });
}

}  // namespace kebound::rules
