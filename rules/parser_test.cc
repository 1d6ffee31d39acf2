// SPDX-License-Identifier: Apache-2.0
#include "rules/parser.h"

#include <gtest/gtest.h>

namespace kebound::rules {
namespace {

Rule one(const std::string& line) {
  const ParsedRules parsed = parse_rules(line, "r");
  EXPECT_EQ(parsed.problems.size(), 0U) << line << ": " << parsed.problems[0].why;
  EXPECT_EQ(parsed.rules.size(), 1U) << line;
  return parsed.rules.empty() ? Rule{} : parsed.rules[0];
}

// "LINE:COLUMN what: why" of the only problem.
std::string problem(const std::string& text) {
  const ParsedRules parsed = parse_rules(text, "r");
  EXPECT_EQ(parsed.problems.size(), 1U) << text;
  if (parsed.problems.empty()) return {};
  const Problem& it = parsed.problems[0];
  EXPECT_FALSE(it.remedy.empty());
  return std::to_string(it.line) + ":" + std::to_string(it.column) + " " + it.what + ": " + it.why;
}

TEST(RuleParser, Reads_actions_limits_and_conditions) {
  const Rule rule =
      one("clamp first=3 fatal-after=100 source=x86-bound module=lib*.so function=f "
          "file=*/a.c line=3-5 offset=0x10-0x1f build-id=0123abcd caller=main");
  EXPECT_EQ(rule.limits.action, Action::Clamp);
  EXPECT_EQ(rule.limits.reporting, Reporting::First);
  EXPECT_EQ(rule.limits.report_count, 3U);
  EXPECT_EQ(rule.limits.fatal_after, 100U);
  const Conditions& it = rule.conditions;
  EXPECT_EQ(it.source, "x86-bound");
  EXPECT_EQ(it.module, "lib*.so");
  EXPECT_EQ(it.function, "f");
  EXPECT_EQ(it.file, "*/a.c");
  EXPECT_TRUE(it.line->first == 3 && it.line->last == 5);
  EXPECT_TRUE(it.offset->first == 0x10 && it.offset->last == 0x1f);
  EXPECT_EQ(it.build_id, "0123abcd");
  EXPECT_EQ(it.caller, "main");
}

TEST(RuleParser, Ignore_is_a_quiet_propagate) {
  EXPECT_EQ(one("ignore").limits.reporting, Reporting::Nothing);
  EXPECT_EQ(one("ignore").limits.action, Action::Propagate);
  EXPECT_EQ(one("propagate quiet").limits.reporting, Reporting::Nothing);
  EXPECT_EQ(one("propagate").limits.reporting, Reporting::All);
  EXPECT_EQ(one("skip once").limits.report_count, 1U);
  EXPECT_EQ(one("clamp sample=50").limits.reporting, Reporting::Sample);
}

TEST(RuleParser, Comments_blank_lines_and_line_ends_are_nothing) {
  const ParsedRules parsed =
      parse_rules("# a comment\n\n  \t# another\r\n\tclamp  function=f # why\r\nskip", "rules");
  ASSERT_EQ(parsed.problems.size(), 0U);
  ASSERT_EQ(parsed.rules.size(), 2U);
  EXPECT_EQ(parsed.rules[0].place(), "rules:4");
  EXPECT_EQ(parsed.rules[0].text, "clamp  function=f");
  EXPECT_EQ(parsed.rules[1].place(), "rules:5");
}

TEST(RuleParser, A_hash_inside_a_word_is_no_comment) {
  EXPECT_EQ(one("clamp function=f#1 # but this is").conditions.function, "f#1");
}

TEST(RuleParser, Quotes_hold_blanks_and_leave_the_patterns_backslashes) {
  EXPECT_EQ(one(R"r(clamp function="f(int, char)")r").conditions.function, "f(int, char)");
  EXPECT_EQ(one(R"r(clamp function="operator\"\" _x")r").conditions.function, "operator\"\" _x");
  EXPECT_EQ(one(R"r(clamp function="operator\*(a, b)")r").conditions.function,
            R"r(operator\*(a, b))r");
  EXPECT_EQ(one(R"r(clamp function="a\\")r").conditions.function, R"(a\\)");
  EXPECT_EQ(one(R"r(clamp function="a # b")r").conditions.function, "a # b");
}

TEST(RuleParser, Says_where_and_what_is_wrong) {
  EXPECT_EQ(problem("claamp"), "1:1 'claamp': is no action");
  EXPECT_EQ(problem("\n  function=f"), "2:3 'function': is no action");
  EXPECT_EQ(problem("clamp x=1"), "1:7 'x': is neither a limit nor a condition");
  EXPECT_EQ(problem("clamp function"), "1:7 'function': lacks a value");
  EXPECT_EQ(problem("clamp function="), "1:7 'function': lacks a value");
  EXPECT_EQ(problem("clamp function=\"\""), "1:7 'function': lacks a value");
  EXPECT_EQ(problem("clamp function=f function=g"), "1:18 'function': is given twice");
  EXPECT_EQ(problem("clamp function=f\\"), "1:16 'f\\': ends in a backslash");
  EXPECT_EQ(problem("clamp function=\"f"), "1:16 '\"': is not closed");
  EXPECT_EQ(problem("clamp function=\"f\\\""), "1:16 '\"': is not closed");
  EXPECT_EQ(problem("clamp function=\"f\"x"), "1:19 'x': stands right behind a quoted value");
  EXPECT_EQ(problem("clamp function=a\"b\""), "1:17 '\"': stands in the middle of a value");
  EXPECT_EQ(problem("clamp first=0"), "1:13 '0': is not a number from 1 up");
  EXPECT_EQ(problem("clamp first=1x"), "1:13 '1x': is not a number from 1 up");
  EXPECT_EQ(problem("clamp first=99999999999999999999"),
            "1:13 '99999999999999999999': is not a number from 1 up");
  EXPECT_EQ(problem("clamp sample"), "1:7 'sample': lacks a number");
  EXPECT_EQ(problem("clamp once=2"), "1:12 'once': takes no value");
  EXPECT_EQ(problem("clamp once first=3"), "1:12 'first': cannot be had with 'once'");
  EXPECT_EQ(problem("ignore once"), "1:8 'once': cannot be had with 'ignore'");
  EXPECT_EQ(problem("clamp fatal-after=0"), "1:19 '0': is not a number from 1 up");
  EXPECT_EQ(problem("clamp fatal-after=1 fatal-after=2"), "1:21 'fatal-after': is given twice");
  EXPECT_EQ(problem("terminate fatal-after=1"),
            "1:11 'fatal-after': is pointless: terminate is fatal at once");
  EXPECT_EQ(problem("terminate quiet"),
            "1:11 'quiet': cannot be had with terminate: no process ends without a word");
  EXPECT_EQ(problem("clamp source=x87-bound"), "1:14 'x87-bound': is no source");
  EXPECT_EQ(problem("clamp check=array"), "1:13 'array': is no check");
  EXPECT_EQ(problem("clamp check=unknown"), "1:13 'unknown': is no check");
  EXPECT_EQ(problem("clamp line=0"), "1:12 '0': is no line number or range of them");
  EXPECT_EQ(problem("clamp line=5-3"), "1:12 '5-3': is no line number or range of them");
  EXPECT_EQ(problem("clamp line=3-"), "1:12 '3-': is no line number or range of them");
  EXPECT_EQ(problem("clamp offset=10"), "1:14 '10': is no offset or range of them");
  EXPECT_EQ(problem("clamp build-id=12"), "1:16 '12': is no build ID");
  EXPECT_EQ(problem(std::string("clamp fun\0x=1", 13)),
            std::string("1:10 '") + '\0' + "': is a control character");
  EXPECT_EQ(problem("clamp function=a\x01"),
            "1:16 'function': has a control character in its value");
}

TEST(RuleParser, Goes_on_behind_a_bad_line_and_tells_of_each) {
  const ParsedRules parsed = parse_rules("clamp\nclomp\nskip\nskup\n", "r");
  EXPECT_EQ(parsed.rules.size(), 2U);
  ASSERT_EQ(parsed.problems.size(), 2U);
  EXPECT_EQ(parsed.problems[0].line, 2U);
  EXPECT_EQ(parsed.problems[1].line, 4U);
}

TEST(RuleParser, Has_limits_of_its_own_and_says_so) {
  EXPECT_EQ(problem("clamp function=" + std::string(kMaxLineLength, 'a')),
            "1:4097 : the line has more than 4096 bytes");
  EXPECT_EQ(problem(std::string(kMaxFileSize + 1, '\n')), "1:1 : the file has more than 1 MiB");
  std::string many;
  for (size_t i = 0; i <= kMaxRules; ++i) many += "clamp\n";
  EXPECT_EQ(problem(many), "10001:1 : is one rule more than 10000");
  std::string wrong;
  for (int i = 0; i < 100; ++i) wrong += "x\n";
  EXPECT_EQ(parse_rules(wrong, "r").problems.size(), ParsedRules::kMaxProblems);
}

}  // namespace
}  // namespace kebound::rules
