// SPDX-License-Identifier: Apache-2.0
#include "rules/suggestion.h"

#include <stdio.h>

#include <string_view>

#include "rules/parser.h"

namespace kebound::rules {
namespace {

// Longer names are cut: the rule has to fit into a line of a rules file.
constexpr size_t kMaxName = 400;

std::string value_of(std::string_view name) {
  return quoted_pattern(name.substr(0, kMaxName), name.size() > kMaxName ? "*" : "");
}

std::string_view last_component(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

}  // namespace

std::string suggest_rule(const Site& site) {
  std::string text = "ignore";
  const auto add = [&](const char* key, const std::string& value) {
    text += ' ';
    text += key;
    text += '=';
    text += value;
  };
  if (!site.source.empty()) add("source", value_of(site.source));
  if (!last_component(site.module).empty()) add("module", value_of(last_component(site.module)));
  const SourcePosition* const innermost = site.here.empty() ? nullptr : &site.here[0];
  if (innermost != nullptr && !innermost->function.empty()) {
    add("function", value_of(innermost->function));
    if (!last_component(innermost->file).empty()) {
      add("file", value_of(last_component(innermost->file)));
    }
  } else if (site.offset) {
    char offset[32];
    snprintf(offset, sizeof offset, "0x%llx", static_cast<unsigned long long>(*site.offset));
    add("offset", offset);
    if (site.build_id.size() >= 8) add("build-id", site.build_id);
  }
  return text;
}

}  // namespace kebound::rules
