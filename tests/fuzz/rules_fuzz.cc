// SPDX-License-Identifier: Apache-2.0
//
// The input is 2 bytes that say how much of the rest is a rules file; what is behind it is a
// function's name.
#include <string>

#include "rules/glob.h"
#include "rules/parser.h"
#include "rules/suggestion.h"
#include "tests/fuzz/fuzz_target.h"

using namespace kebound::rules;
using kebound::fuzz::fail_if;

namespace {

// '*' is tried with every length: slow, and plainly right.
bool slow_match(std::string_view pattern, std::string_view name, int& budget) {
  if (--budget < 0) return false;
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') {
    for (size_t i = 0; i <= name.size(); ++i) {
      if (slow_match(pattern.substr(1), name.substr(i), budget)) return true;
    }
    return false;
  }
  if (name.empty()) return false;
  const bool is_escape = pattern[0] == '\\' && pattern.size() > 1;
  if (is_escape) pattern.remove_prefix(1);
  const bool fits = (pattern[0] == '?' && !is_escape) || pattern[0] == name[0];
  return fits && slow_match(pattern.substr(1), name.substr(1), budget);
}

void check_rule(const Rule& rule, std::string_view name) {
  const ParsedRules again = parse_rules(rule.text, "again");
  fail_if(again.problems.empty() && again.rules.size() == 1 ? "" : "a rule's text is no rule");
  const Conditions& it = rule.conditions;
  fail_if(again.rules[0].conditions.function == it.function ? "" : "a text with another pattern");
  for (const std::string& pattern : {it.source, it.module, it.function, it.file, it.caller}) {
    fail_if(is_valid_glob(pattern) ? "" : "a pattern that ends in a backslash");
  }
  int budget = 100'000;
  const bool slow = slow_match(it.function, name, budget);
  if (budget >= 0) fail_if(slow == glob_match(it.function, name) ? "" : "matches differ");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kebound::fuzz::Input input(data, size);
  const auto length = input.take<uint16_t>();
  const auto file = input.take_bytes(length);
  const auto rest = input.rest();
  const std::string text(file.begin(), file.end());
  const std::string name(rest.begin(), rest.end());

  const ParsedRules parsed = parse_rules(text, "rules");
  for (const Problem& problem : parsed.problems) {
    fail_if(problem.line > 0 && problem.column > 0 && !problem.why.empty() &&
                    !problem.remedy.empty()
                ? ""
                : "a problem that does not say where, why or what to do");
  }
  for (const Rule& rule : parsed.rules) check_rule(rule, name);

  // Whatever a function is called, the suggestion for it is a rule that fits it.
  Site site;
  site.source = "x86-bound";
  site.module = "/" + name;
  site.offset = length;
  site.here = {{name, name, 1}};
  const ParsedRules own = parse_rules(suggest_rule(site), "own");
  fail_if(own.problems.empty() && own.rules.size() == 1 ? "" : "a suggestion that is no rule");
  fail_if(matches_site(own.rules[0].conditions, site) ? "" : "a suggestion that does not fit");
  fail_if(without_parameters(name).size() <= name.size() ? "" : "a name grew");
  return 0;
}
