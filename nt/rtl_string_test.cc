// SPDX-License-Identifier: Apache-2.0
#include "nt/testing/nt_test.h"
#include "nt/utf.h"

namespace kebound::nt {
namespace {

using testing::NtTest;

class RtlStringTest : public NtTest {
 protected:
  static UNICODE_STRING wide(const WCHAR* text) {
    UNICODE_STRING string;
    RtlInitUnicodeString(&string, text);
    return string;
  }
  static std::u16string text_of(const UNICODE_STRING& string) {
    return {reinterpret_cast<const char16_t*>(string.Buffer), string.Length / sizeof(WCHAR)};
  }
};

TEST_F(RtlStringTest, Initialising_counts_bytes_without_the_zero) {
  UNICODE_STRING string = wide(u"abc");
  EXPECT_EQ(string.Length, 6);
  EXPECT_EQ(string.MaximumLength, 8);
  RtlInitUnicodeString(&string, nullptr);
  EXPECT_EQ(string.Length, 0);
  EXPECT_EQ(string.Buffer, nullptr);
  const std::u16string longest(40'000, u'x');
  RtlInitUnicodeString(&string, reinterpret_cast<PCWSTR>(longest.c_str()));
  EXPECT_EQ(string.Length, 0xfffc);
  EXPECT_EQ(string.MaximumLength, 0xfffe);
  ANSI_STRING ansi;
  RtlInitAnsiString(&ansi, "abcd");
  EXPECT_EQ(ansi.Length, 4);
  EXPECT_EQ(ansi.MaximumLength, 5);
}

TEST_F(RtlStringTest, Copying_cuts_to_what_fits_and_terminates_where_there_is_room) {
  WCHAR buffer[4] = {u'#', u'#', u'#', u'#'};
  UNICODE_STRING destination;
  RtlInitEmptyUnicodeString(&destination, buffer, sizeof buffer);
  UNICODE_STRING source = wide(u"abcdefgh");
  RtlCopyUnicodeString(&destination, &source);
  EXPECT_EQ(text_of(destination), u"abcd");
  source = wide(u"xy");
  RtlCopyUnicodeString(&destination, &source);
  EXPECT_EQ(text_of(destination), u"xy");
  EXPECT_EQ(buffer[2], 0);
  EXPECT_EQ(buffer[3], u'd');
  RtlCopyUnicodeString(&destination, nullptr);
  EXPECT_EQ(destination.Length, 0);
}

TEST_F(RtlStringTest, Comparing_folds_case_only_when_asked) {
  const UNICODE_STRING a = wide(u"\\Device\\\u00c4bc");
  const UNICODE_STRING b = wide(u"\\DEVICE\\\u00e4BC");
  EXPECT_NE(RtlCompareUnicodeString(&a, &b, FALSE), 0);
  EXPECT_EQ(RtlCompareUnicodeString(&a, &b, TRUE), 0);
  EXPECT_TRUE(RtlEqualUnicodeString(&a, &b, TRUE));
  EXPECT_FALSE(RtlEqualUnicodeString(&a, &b, FALSE));
  const UNICODE_STRING prefix = wide(u"\\device");
  EXPECT_TRUE(RtlPrefixUnicodeString(&prefix, &a, TRUE));
  EXPECT_FALSE(RtlPrefixUnicodeString(&prefix, &a, FALSE));
  EXPECT_FALSE(RtlPrefixUnicodeString(&a, &prefix, TRUE));
  EXPECT_LT(RtlCompareUnicodeString(&prefix, &a, TRUE), 0);
}

TEST_F(RtlStringTest, Upcase_and_downcase_are_each_others_inverse_where_they_change_something) {
  for (unsigned c = 0; c < 0x10000; ++c) {
    const auto unit = static_cast<WCHAR>(c);
    const WCHAR up = RtlUpcaseUnicodeChar(unit);
    if (up != unit) {
      EXPECT_EQ(RtlDowncaseUnicodeChar(up), unit) << std::hex << c;
    }
    const WCHAR down = RtlDowncaseUnicodeChar(unit);
    if (down != unit) {
      EXPECT_EQ(RtlUpcaseUnicodeChar(down), unit) << std::hex << c;
    }
  }
}

TEST_F(RtlStringTest, Appending_what_does_not_fit_changes_nothing) {
  WCHAR buffer[5] = {};
  UNICODE_STRING string;
  RtlInitEmptyUnicodeString(&string, buffer, sizeof buffer);
  EXPECT_EQ(RtlAppendUnicodeToString(&string, u"abc"), STATUS_SUCCESS);
  EXPECT_EQ(RtlAppendUnicodeToString(&string, u"def"), STATUS_BUFFER_TOO_SMALL);
  EXPECT_EQ(text_of(string), u"abc");
  const UNICODE_STRING more = wide(u"de");
  EXPECT_EQ(RtlAppendUnicodeStringToString(&string, &more), STATUS_SUCCESS);
  EXPECT_EQ(text_of(string), u"abcde");
  EXPECT_EQ(RtlAppendUnicodeToString(&string, nullptr), STATUS_SUCCESS);
}

TEST_F(RtlStringTest, Conversions_go_both_ways_and_say_when_it_does_not_fit) {
  const UNICODE_STRING source = wide(u"gr\u00fc\u00df \U0001f600");
  ANSI_STRING narrow{};
  ASSERT_EQ(RtlUnicodeStringToAnsiString(&narrow, &source, TRUE), STATUS_SUCCESS);
  EXPECT_EQ(std::string(narrow.Buffer, narrow.Length), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
  EXPECT_EQ(narrow.Buffer[narrow.Length], 0);
  UNICODE_STRING back{};
  ASSERT_EQ(RtlAnsiStringToUnicodeString(&back, &narrow, TRUE), STATUS_SUCCESS);
  EXPECT_EQ(text_of(back), text_of(source));
  RtlFreeUnicodeString(&back);
  RtlFreeAnsiString(&narrow);
  EXPECT_EQ(narrow.Buffer, nullptr);
  char little[3];
  narrow = {0, sizeof little, little};
  EXPECT_EQ(RtlUnicodeStringToAnsiString(&narrow, &source, FALSE), STATUS_BUFFER_OVERFLOW);
}

TEST_F(RtlStringTest, Malformed_text_becomes_replacement_characters) {
  EXPECT_EQ(to_utf16("a\xff\xc0\x80z"), u"a\ufffd\ufffd\ufffdz");
  EXPECT_EQ(to_utf16("\xed\xa0\x80"), u"\ufffd\ufffd\ufffd");
  EXPECT_EQ(to_utf16("\xf0\x9f"), u"\ufffd\ufffd");
  const char16_t lone[] = {0xd800, u'a', 0xdc00, 0};
  EXPECT_EQ(to_utf8(lone),
            "\xef\xbf\xbd"
            "a\xef\xbf\xbd");
}

TEST_F(RtlStringTest, Numbers_are_written_and_read_in_their_base) {
  WCHAR buffer[40];
  UNICODE_STRING string;
  RtlInitEmptyUnicodeString(&string, buffer, sizeof buffer);
  EXPECT_EQ(RtlIntegerToUnicodeString(0xbeef, 16, &string), STATUS_SUCCESS);
  EXPECT_EQ(text_of(string), u"BEEF");
  EXPECT_EQ(RtlIntegerToUnicodeString(0, 0, &string), STATUS_SUCCESS);
  EXPECT_EQ(text_of(string), u"0");
  EXPECT_EQ(RtlIntegerToUnicodeString(0xffffffff, 2, &string), STATUS_SUCCESS);
  EXPECT_EQ(text_of(string), std::u16string(32, u'1'));
  EXPECT_EQ(RtlIntegerToUnicodeString(1, 7, &string), STATUS_INVALID_PARAMETER);
  string.MaximumLength = 2;
  EXPECT_EQ(RtlIntegerToUnicodeString(10, 10, &string), STATUS_BUFFER_OVERFLOW);
  const auto read = [](const WCHAR* text, ULONG base) {
    ULONG value = 99;
    const UNICODE_STRING from = wide(text);
    EXPECT_EQ(RtlUnicodeStringToInteger(&from, base, &value), STATUS_SUCCESS);
    return value;
  };
  EXPECT_EQ(read(u"  -17x", 0), static_cast<ULONG>(-17));
  EXPECT_EQ(read(u"0x1f", 0), 0x1fU);
  EXPECT_EQ(read(u"0b101", 0), 5U);
  EXPECT_EQ(read(u"0o17", 0), 15U);
  EXPECT_EQ(read(u"ff", 16), 255U);
  EXPECT_EQ(read(u"", 10), 0U);
}

TEST_F(RtlStringTest, Memory_is_compared_up_to_the_first_difference) {
  EXPECT_EQ(RtlCompareMemory("abcdef", "abcxef", 6), 3U);
  EXPECT_EQ(RtlCompareMemory("abc", "abc", 3), 3U);
  EXPECT_EQ(RtlCompareMemory("x", "y", 0), 0U);
}

TEST_F(RtlStringTest, The_version_is_10_0) {
  RTL_OSVERSIONINFOW version{};
  EXPECT_EQ(RtlGetVersion(&version), STATUS_INVALID_PARAMETER);
  version.dwOSVersionInfoSize = sizeof version;
  EXPECT_EQ(RtlGetVersion(&version), STATUS_SUCCESS);
  EXPECT_EQ(version.dwMajorVersion, 10U);
}

}  // namespace
}  // namespace kebound::nt
