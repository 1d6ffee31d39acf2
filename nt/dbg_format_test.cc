// SPDX-License-Identifier: Apache-2.0
#include "nt/dbg_format.h"

#include <limits.h>

#include "nt/testing/nt_test.h"

namespace kebound::nt {
namespace {

using testing::NtTest;

class DbgPrintTest : public NtTest {
 protected:
  template <class... Arguments>
  std::string print(const char* format, Arguments... arguments) {
    EXPECT_EQ(DbgPrint(format, arguments...), static_cast<ULONG>(STATUS_SUCCESS));
    return host_.take_text();
  }
};

TEST_F(DbgPrintTest, Integers_have_32_bits_unless_said_otherwise) {
  EXPECT_EQ(print("%d %i %u", -1, INT_MIN, 4294967295U), "-1 -2147483648 4294967295");
  EXPECT_EQ(print("%ld %lu %lx", -1, 4294967295U, 0xffffffffU), "-1 4294967295 ffffffff");
  EXPECT_EQ(print("%I64d %lld %I64x", -1LL, LLONG_MIN, 0x123456789abcdefULL),
            "-1 -9223372036854775808 123456789abcdef");
  EXPECT_EQ(print("%Iu %zu %I32d", SIZE_T{1} << 40, size_t{7}, -3), "1099511627776 7 -3");
  EXPECT_EQ(print("%hd %hu %hhx", 0x12345, 0x1ffff, 0x1ab), "9029 65535 ab");
  EXPECT_EQ(print("%o %#o %#x %#X", 8, 8, 255, 255), "10 010 0xff 0XFF");
}

TEST_F(DbgPrintTest, Flags_width_and_precision_work_as_in_C) {
  EXPECT_EQ(print("[%5d|%-5d|%05d|%+d|% d]", 42, 42, 42, 42, 42), "[   42|42   |00042|+42| 42]");
  EXPECT_EQ(print("[%.3d|%8.3d|%-8.3d|%08x]", 7, 7, -7, 0xbeef),
            "[007|     007|-007    |0000beef]");
  EXPECT_EQ(print("[%*d|%-*d|%.*d|%*d]", 4, 1, 4, 2, 3, 3, -4, 4), "[   1|2   |003|4   ]");
  EXPECT_EQ(print("[%.0d]", 0), "[]");
  EXPECT_EQ(print("%05d", -42), "-0042");
}

TEST_F(DbgPrintTest, Pointers_have_sixteen_upper_case_digits) {
  EXPECT_EQ(print("%p", reinterpret_cast<void*>(0xdeadbeefULL)), "00000000DEADBEEF");
}

TEST_F(DbgPrintTest, Strings_narrow_and_wide_come_out_as_UTF_8) {
  EXPECT_EQ(print("%s|%5s|%-5s|%.2s", "abc", "abc", "abc", "abc"), "abc|  abc|abc  |ab");
  EXPECT_EQ(print("%ws|%ls|%S|%hs|%hS", u"w\u00fc", u"l\U0001f600", u"S", "h", "hS"),
            "w\xc3\xbc|l\xf0\x9f\x98\x80|S|h|hS");
  EXPECT_EQ(print("%c%wc%C%lc", 'a', u'\u00fc', u'C', u'd'),
            "a\xc3\xbc"
            "Cd");
  EXPECT_EQ(print("%s %ws", static_cast<const char*>(nullptr), static_cast<const char*>(nullptr)),
            "(null) (null)");
}

TEST_F(DbgPrintTest, Counted_strings_need_no_zero) {
  WCHAR wide[] = {u'a', u'b', u'c', u'#'};
  UNICODE_STRING unicode = {6, 6, wide};
  char narrow[] = {'x', 'y', '#'};
  ANSI_STRING ansi = {2, 2, narrow};
  EXPECT_EQ(print("%wZ|%Z|%.2wZ|%5wZ", &unicode, &ansi, &unicode, &unicode), "abc|xy|ab|  abc");
  UNICODE_STRING empty{};
  EXPECT_EQ(print("%wZ", &empty), "(null)");
}

TEST_F(DbgPrintTest, An_unknown_conversion_ends_the_formatting_verbatim) {
  EXPECT_EQ(print("%d %n %d", 1, 2, 3), "1 %n %d");
  EXPECT_EQ(print("100%% %"), "100% %");
}

TEST_F(DbgPrintTest, Output_is_cut_at_512_bytes_between_characters) {
  const std::string longer(600, 'x');
  EXPECT_EQ(print("%s", longer.c_str()).size(), 512U);
  EXPECT_EQ(print("%999999d", 1).size(), 512U);
  const std::string before_wide = std::string(511, 'x');
  EXPECT_EQ(print("%s%ws", before_wide.c_str(), u"\u00fc"), before_wide);
  std::string utf8(511, 'x');
  utf8 += "\xc3\xbc";
  EXPECT_EQ(print("%s", utf8.c_str()), before_wide);
}

TEST_F(DbgPrintTest, An_unterminated_string_is_read_no_further_than_the_output_goes) {
  std::vector<char> text(512, 'a');  // a sanitizer sees a read behind it
  EXPECT_EQ(print("%s", text.data()).size(), 512U);
}

TEST_F(DbgPrintTest, The_host_is_told_whose_output_it_is) {
  DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "%s", "hello\n");
  EXPECT_EQ(host_.take_text(), "hello\n");
  EXPECT_EQ(host_.driver(), "test");
}

}  // namespace
}  // namespace kebound::nt
