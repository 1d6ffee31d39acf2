// SPDX-License-Identifier: Apache-2.0
#include "report/escape.h"

#include <gtest/gtest.h>

#include <random>

namespace kebound::report {
namespace {

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// The bytes behind a JSON string, by the rule in docs/protocol.md: an independent decoder of what
// the writer emits.
std::string decoded(const std::string& quoted) {
  std::string utf8;
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] != '\\') {
      utf8 += quoted[i];
      continue;
    }
    const char kind = quoted[++i];
    if (kind != 'u') {
      utf8 += kind;
      continue;
    }
    const auto code = static_cast<uint32_t>(std::stoul(quoted.substr(i + 1, 4), nullptr, 16));
    i += 4;
    if (code < 0x80) {
      utf8 += static_cast<char>(code);
    } else if (code < 0x800) {
      utf8 += static_cast<char>(0xc0 | code >> 6);
      utf8 += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      utf8 += static_cast<char>(0xe0 | code >> 12);
      utf8 += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      utf8 += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  std::string bytes;
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto at = [&](size_t k) { return static_cast<uint8_t>(utf8[k]); };
    if (at(i) == 0xee && i + 2 < utf8.size() && at(i + 1) >= 0xbe) {
      bytes += static_cast<char>((at(i + 1) & 0x3f) << 6 | (at(i + 2) & 0x3f));
      i += 2;
    } else {
      bytes += utf8[i];
    }
  }
  return bytes;
}

TEST(JsonString, LeavesPlainTextAlone) {
  EXPECT_EQ(json("a plain /path.c"), "\"a plain /path.c\"");
  EXPECT_EQ(json(""), "\"\"");
  EXPECT_EQ(json("h\xc3\xa9"), "\"h\xc3\xa9\"");
}

TEST(JsonString, EscapesWhatJsonAndTerminalsTreatSpecially) {
  EXPECT_EQ(json("\"\\"), R"("\"\\")");
  EXPECT_EQ(json("\n\x1b\x7f"), R"("\u000a\u001b\u007f")");
  EXPECT_EQ(json(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(json("\xc2\x9b"), R"("\u009b")");      // CSI as one C1 character
  EXPECT_EQ(json("\xe2\x80\xae"), R"("\u202e")");  // right-to-left override
}

TEST(JsonString, WritesBrokenUtf8AsPrivateCharacters) {
  EXPECT_EQ(json("\xff"), "\"\xee\xbf\xbf\"");
  EXPECT_EQ(json("\x80"), "\"\xee\xbe\x80\"");
  EXPECT_EQ(json("\xc3"), "\"\xee\xbf\x83\"");                  // cut off
  EXPECT_EQ(json("\xc0\xaf"), "\"\xee\xbf\x80\xee\xbe\xaf\"");  // overlong
  EXPECT_EQ(json("\xed\xa0\x80").size(), 2 + 9u);               // a surrogate is three bad bytes
  EXPECT_EQ(json("\xf4\x90\x80\x80").size(), 2 + 12u);          // beyond U+10FFFF
}

TEST(JsonString, CanBeTurnedBackIntoTheVeryBytes) {
  std::mt19937 random(1);
  const std::string_view pool =
      "a\"\\\n\x1b\x7f\xc3\xa9\xee\xbe\x80\xef\x80\x81\xf0\x9f\x98\x80\xe2\x80\xae\xff\xed\xa0";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t size = random() % 12; size > 0; --size) {
      text += random() % 2 ? pool[random() % pool.size()] : static_cast<char>(random());
    }
    ASSERT_EQ(decoded(json(text)), text) << json(text);
  }
}

TEST(TextEscape, LetsNothingSteerTheTerminal) {
  EXPECT_EQ(escaped("plain h\xc3\xa9"), "plain h\xc3\xa9");
  EXPECT_EQ(escaped("\x1b[2J"), "\\x1b[2J");
  EXPECT_EQ(escaped("a\nb\r"), "a\\x0ab\\x0d");
  EXPECT_EQ(escaped("\xc2\x9b"), "\\x9b");
  EXPECT_EQ(escaped("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(escaped("\xe2\x80\xae"), "\\u202e");
}

}  // namespace
}  // namespace kebound::report
