// SPDX-License-Identifier: Apache-2.0
#include "rules/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace kebound::rules {
namespace {

TEST(Glob, A_name_without_wildcards_matches_itself_and_nothing_else) {
  EXPECT_TRUE(glob_match("pick", "pick"));
  EXPECT_FALSE(glob_match("pick", "picks"));
  EXPECT_FALSE(glob_match("pick", "pic"));
  EXPECT_FALSE(glob_match("pick", ""));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "x"));
}

TEST(Glob, A_star_stands_for_any_characters_and_for_none) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("*", "a/b c"));
  EXPECT_TRUE(glob_match("a*c", "ac"));
  EXPECT_TRUE(glob_match("a*c", "abcbc"));
  EXPECT_FALSE(glob_match("a*c", "abcb"));
  EXPECT_TRUE(glob_match("*a*b*", "xxaxxbxx"));
  EXPECT_FALSE(glob_match("*a*b*", "xxbxxaxx"));
  EXPECT_TRUE(glob_match("**", "x"));
}

TEST(Glob, A_question_mark_stands_for_one_character) {
  EXPECT_TRUE(glob_match("a?c", "abc"));
  EXPECT_FALSE(glob_match("a?c", "ac"));
  EXPECT_FALSE(glob_match("?", ""));
  EXPECT_TRUE(glob_match("*?c", "bc"));
}

TEST(Glob, A_backslash_takes_the_meaning_away) {
  EXPECT_TRUE(glob_match("operator\\*", "operator*"));
  EXPECT_FALSE(glob_match("operator\\*", "operator+"));
  EXPECT_TRUE(glob_match("a\\\\b", "a\\b"));
  EXPECT_FALSE(glob_match("\\?", "x"));
  EXPECT_TRUE(is_valid_glob("a\\\\"));
  EXPECT_FALSE(is_valid_glob("a\\"));
}

TEST(Glob, Brackets_are_characters_like_any_other) {
  EXPECT_TRUE(glob_match("v::operator[]", "v::operator[]"));
  EXPECT_FALSE(glob_match("[ab]", "a"));
}

TEST(Glob, A_path_is_matched_whole_where_the_pattern_has_a_slash) {
  EXPECT_TRUE(glob_match_path("pick", "/usr/bin/pick"));
  EXPECT_TRUE(glob_match_path("lib*.so.1", "/lib/libz.so.1"));
  EXPECT_FALSE(glob_match_path("bin/pick", "/usr/bin/pick"));
  EXPECT_TRUE(glob_match_path("*/bin/pick", "/usr/bin/pick"));
  EXPECT_TRUE(glob_match_path("/usr/*", "/usr/bin/pick"));
  EXPECT_TRUE(glob_match_path("[vdso]", "[vdso]"));
}

TEST(Glob, Many_stars_take_no_time_that_grows_with_their_number) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "a*";
  pattern += 'b';
  EXPECT_FALSE(glob_match(pattern, std::string(20'000, 'a')));
}

TEST(Glob, Names_beyond_all_measure_match_nothing) {
  EXPECT_TRUE(glob_match("*", std::string(kMaxGlobSubject, 'a')));
  EXPECT_FALSE(glob_match("*", std::string(kMaxGlobSubject + 1, 'a')));
}

}  // namespace
}  // namespace kebound::rules
