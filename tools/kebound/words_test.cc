// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kebound::tool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Words, BlanksOfAnyKindSeparate) {
  EXPECT_THAT(split_words("  a\tbc \n d").words, ElementsAre("a", "bc", "d"));
  EXPECT_THAT(split_words("").words, IsEmpty());
  EXPECT_THAT(split_words(" \t\n").words, IsEmpty());
}

TEST(Words, QuotesKeepBlanksAndJoin) {
  EXPECT_THAT(split_words("-o 'my file' a\"b c\"d").words, ElementsAre("-o", "my file", "ab cd"));
  EXPECT_THAT(split_words("'' \"\"").words, ElementsAre("", ""));
}

TEST(Words, BackslashQuotesAsInAShell) {
  EXPECT_THAT(split_words(R"(a\ b \\ \')").words, ElementsAre("a b", "\\", "'"));
  EXPECT_THAT(split_words(R"('a\b' "a\b" "a\"b" "\$x")").words,
              ElementsAre("a\\b", "a\\b", "a\"b", "$x"));
}

TEST(Words, NothingIsExpanded) {
  EXPECT_THAT(split_words("$HOME * ~ #x").words, ElementsAre("$HOME", "*", "~", "#x"));
}

TEST(Words, WhatIsNotClosedIsAnError) {
  EXPECT_STREQ(split_words("a 'b").error, "a ' is not closed");
  EXPECT_STREQ(split_words("a \"b").error, "a \" is not closed");
  EXPECT_STREQ(split_words("a \"b\\").error, "a \" is not closed");
  EXPECT_STREQ(split_words("a\\").error, "ends in a backslash");
  EXPECT_EQ(split_words("a").error, nullptr);
}

}  // namespace
}  // namespace kebound::tool
