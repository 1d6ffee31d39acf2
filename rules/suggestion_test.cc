// SPDX-License-Identifier: Apache-2.0
#include "rules/suggestion.h"

#include <gtest/gtest.h>

#include "rules/parser.h"

namespace kebound::rules {
namespace {

// A suggestion is one rule, without a complaint, that suppresses its own site.
void expect_fits(const Site& site) {
  const std::string text = suggest_rule(site);
  const ParsedRules parsed = parse_rules(text, "rules");
  ASSERT_EQ(parsed.problems.size(), 0U) << text << ": " << parsed.problems[0].why;
  ASSERT_EQ(parsed.rules.size(), 1U) << text;
  EXPECT_TRUE(matches_site(parsed.rules[0].conditions, site)) << text;
  EXPECT_EQ(parsed.rules[0].limits.reporting, Reporting::Nothing);
  EXPECT_EQ(parsed.rules[0].limits.action, Action::Propagate);
}

TEST(RuleSuggestion, Names_function_and_file_where_they_are_known) {
  Site site;
  site.source = "x86-bound";
  site.module = "/opt/pick";
  site.offset = 0x11c8;
  site.here = {{"pick", "/src/pick.c", 21}, {"main", "/src/pick.c", 30}};
  EXPECT_EQ(suggest_rule(site), "ignore source=x86-bound module=pick function=pick file=pick.c");
  expect_fits(site);
}

TEST(RuleSuggestion, Names_offset_and_build_id_where_no_function_is_known) {
  Site site;
  site.source = "x86-bound";
  site.module = "/opt/pick";
  site.offset = 0x11c8;
  site.build_id = "0123456789abcdef";
  EXPECT_EQ(suggest_rule(site),
            "ignore source=x86-bound module=pick offset=0x11c8 build-id=0123456789abcdef");
  expect_fits(site);
}

TEST(RuleSuggestion, Fits_its_site_whatever_its_names_are) {
  for (const char* name :
       {"operator*(v const&, int)", "C::operator[](unsigned long) const",
        "f(int)::{lambda(char)#1}::operator()(char) const", "#hash", "\"quoted\"",
        "operator\"\" _x(char const*)", "back\\slash", "trailing\\", "what?", "tab\there",
        "line\nbreak", " ", "\xff\xfe", "'a b'", "=", "a=b"}) {
    Site site;
    site.source = "clang-trap";
    site.module = std::string("/tmp/") + name;
    site.here = {{name, std::string("/src/") + name, 3}};
    expect_fits(site);
  }
}

TEST(RuleSuggestion, Fits_into_a_line_however_long_its_names_are) {
  Site site;
  site.source = "x86-bound";
  site.module = "/tmp/" + std::string(60'000, '?');
  site.here = {{std::string(60'000, '*'), "/src/" + std::string(60'000, '\\'), 3}};
  EXPECT_LT(suggest_rule(site).size(), kMaxLineLength);
  expect_fits(site);
}

TEST(RuleSuggestion, Of_a_site_in_no_file_says_what_is_known) {
  Site site;
  site.source = "x86-bound";
  EXPECT_EQ(suggest_rule(site), "ignore source=x86-bound");
}

}  // namespace
}  // namespace kebound::rules
