// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/preload_options.h"

#include <gtest/gtest.h>

#include <string>

namespace kebound::inproc {
namespace {

struct Parsed {
  PreloadOptions options;
  bool understood;
  std::string wrong;
};

Parsed parse(const char* text) {
  Parsed parsed;
  char wrong[16] = "";
  parsed.understood = parse_preload_options(text, parsed.options, wrong, sizeof wrong);
  parsed.wrong = wrong;
  return parsed;
}

TEST(PreloadOptionsTest, Nothing_means_the_defaults) {
  for (const char* text : {"", "  \t\n "}) {
    const Parsed parsed = parse(text);
    EXPECT_TRUE(parsed.understood);
    EXPECT_EQ(parsed.options.on_bound, OnBound::Propagate);
    EXPECT_EQ(parsed.options.library.livelock_limit, KEBOUND_LIVELOCK_DEFAULT);
    EXPECT_TRUE(parsed.options.report);
  }
}

TEST(PreloadOptionsTest, Values_follow_as_a_word_or_behind_an_equals_sign) {
  for (const char* text :
       {"--on-bound clamp --profile windows --livelock-limit 7 --report none --no-compiler-traps",
        " --on-bound=clamp\t--profile=windows --livelock-limit=7\n--no-compiler-traps "
        "--report=none "}) {
    const Parsed parsed = parse(text);
    EXPECT_TRUE(parsed.understood) << parsed.wrong;
    EXPECT_EQ(parsed.options.on_bound, OnBound::Clamp);
    EXPECT_EQ(parsed.options.library.profile, static_cast<uint32_t>(KEBOUND_PROFILE_WINDOWS));
    EXPECT_EQ(parsed.options.library.livelock_limit, 7u);
    EXPECT_EQ(parsed.options.library.no_compiler_traps, 1u);
    EXPECT_FALSE(parsed.options.report);
  }
}

TEST(PreloadOptionsTest, The_first_wrong_word_is_named_and_the_rest_counts) {
  const Parsed parsed = parse("--on-bound jump --livelock-limit=3 --what ever");
  EXPECT_FALSE(parsed.understood);
  EXPECT_EQ(parsed.wrong, "--on-bound");
  EXPECT_EQ(parsed.options.library.livelock_limit, 3u);
}

TEST(PreloadOptionsTest, Bad_values_are_refused_and_long_words_cut) {
  for (const char* text :
       {"--livelock-limit", "--livelock-limit -1", "--livelock-limit=99999999999999999999",
        "--on-bound", "--on-bound=", "--on-bound=clampx", "--profile linux", "--report jsonl", "=",
        "clamp", "--"}) {
    EXPECT_FALSE(parse(text).understood) << text;
  }
  EXPECT_EQ(parse("--a-very-long-option-word").wrong, "--a-very-long-o");
}

}  // namespace
}  // namespace kebound::inproc
