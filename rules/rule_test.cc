// SPDX-License-Identifier: Apache-2.0
#include "rules/rule.h"

#include <gtest/gtest.h>

namespace kebound::rules {
namespace {

Site a_site() {
  Site site;
  site.source = "x86-bound";
  site.module = "/opt/app/bin/pick";
  site.build_id = "0123456789abcdef";
  site.offset = 0x11c8;
  site.here = {{"lib::at(int)", "/src/lib/at.h", 7}, {"main", "/src/pick.cc", 30}};
  return site;
}

TEST(RuleMatching, A_rule_without_conditions_is_about_everything) {
  EXPECT_TRUE(matches_site({}, a_site()));
  EXPECT_TRUE(matches_site({}, Site{}));
}

TEST(RuleMatching, Each_condition_has_to_fit) {
  const Site site = a_site();
  Conditions conditions;
  conditions.source = "x86-*";
  conditions.module = "pick";
  conditions.build_id = "01234567";
  conditions.offset = Range{0x1100, 0x11ff};
  conditions.function = "main";
  conditions.file = "pick.cc";
  conditions.line = Range{30, 30};
  EXPECT_TRUE(matches_site(conditions, site));
  const auto fails_with = [&](auto change) {
    Conditions other = conditions;
    change(other);
    return !matches_site(other, site);
  };
  EXPECT_TRUE(fails_with([](auto& it) { it.source = "clang-trap"; }));
  EXPECT_TRUE(fails_with([](auto& it) { it.check = "array-bounds"; }));
  EXPECT_TRUE(fails_with([](auto& it) { it.module = "pack"; }));
  EXPECT_TRUE(fails_with([](auto& it) { it.build_id = "11234567"; }));
  EXPECT_TRUE(fails_with([](auto& it) { it.offset = Range{0x11c9, 0x11ff}; }));
  EXPECT_TRUE(fails_with([](auto& it) { it.function = "mainly"; }));
  EXPECT_TRUE(fails_with([](auto& it) { it.file = "pick.c"; }));
  EXPECT_TRUE(fails_with([](auto& it) { it.line = Range{31, 40}; }));
}

TEST(RuleMatching, Inlined_functions_and_those_around_them_are_both_meant) {
  Conditions conditions;
  conditions.function = "lib::at";
  EXPECT_TRUE(matches_site(conditions, a_site()));
  conditions.function = "main";
  EXPECT_TRUE(matches_site(conditions, a_site()));
}

TEST(RuleMatching, Function_file_and_line_have_to_be_of_the_same_frame) {
  Conditions conditions;
  conditions.function = "main";
  conditions.line = Range{7, 7};
  EXPECT_FALSE(matches_site(conditions, a_site()));
  conditions.function = "lib::at";
  EXPECT_TRUE(matches_site(conditions, a_site()));
  conditions.file = "pick.cc";
  EXPECT_FALSE(matches_site(conditions, a_site()));
}

TEST(RuleMatching, What_is_not_known_fits_no_condition_about_it) {
  for (const auto set :
       {+[](Conditions& it) { it.function = "*"; }, +[](Conditions& it) { it.file = "*"; },
        +[](Conditions& it) {
          it.line = Range{1, 1000};
        },
        +[](Conditions& it) { it.module = "*"; },
        +[](Conditions& it) {
          it.offset = Range{0, UINT64_MAX};
        },
        +[](Conditions& it) { it.build_id = "00000000"; }}) {
    Conditions conditions;
    set(conditions);
    EXPECT_FALSE(matches_site(conditions, Site{}));
    Site nameless;
    nameless.here.emplace_back();
    EXPECT_FALSE(matches_site(conditions, nameless));
  }
}

TEST(RuleMatching, A_function_is_meant_with_and_without_its_parameters) {
  EXPECT_TRUE(matches_function("lib::at", "lib::at(int)"));
  EXPECT_TRUE(matches_function("lib::at(int)", "lib::at(int)"));
  EXPECT_FALSE(matches_function("lib::at(long)", "lib::at(int)"));
  EXPECT_TRUE(matches_function("lib::at*", "lib::at(int)"));
  EXPECT_FALSE(matches_function("at", "lib::at(int)"));
}

TEST(RuleMatching, Parameter_lists_are_found_from_the_end) {
  EXPECT_EQ(without_parameters("pick"), "pick");
  EXPECT_EQ(without_parameters("f(int (*)(char)) const"), "f");
  EXPECT_EQ(without_parameters("C::operator()(int) const &"), "C::operator()");
  EXPECT_EQ(without_parameters("C::operator()"), "C::operator()");
  EXPECT_EQ(without_parameters("f(int)::{lambda(char)#1}::operator()(char) const"),
            "f(int)::{lambda(char)#1}::operator()");
  EXPECT_EQ(without_parameters("f(int) [clone .cold]"), "f");
  EXPECT_EQ(without_parameters("(anonymous namespace)::f(int)"), "(anonymous namespace)::f");
  EXPECT_EQ(without_parameters("(anonymous namespace)"), "(anonymous namespace)");
  EXPECT_EQ(without_parameters("f)"), "f)");
  EXPECT_EQ(without_parameters(")"), ")");
  EXPECT_EQ(without_parameters(""), "");
}

}  // namespace
}  // namespace kebound::rules
