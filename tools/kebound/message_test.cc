// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/message.h"

#include <errno.h>
#include <gtest/gtest.h>

namespace kebound::tool {
namespace {

TEST(Message, HasOneForm) {
  EXPECT_EQ(format_message({"prog", "is a directory", "give a program"}),
            "kebound: prog: is a directory; give a program\n");
  EXPECT_EQ(format_message({"prog", "is a directory", ""}), "kebound: prog: is a directory\n");
}

TEST(Message, ControlCharactersFromOutsideDoNotReachTheTerminal) {
  EXPECT_EQ(escape_controls("a\x1b[31mb\x7f\r\n\t"), "a\\x1b[31mb\\x7f\\x0d\\n\\t");
  EXPECT_EQ(escape_controls("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(format_message({"a\nb", "c", "d"}), "kebound: a\\nb: c; d\n");
}

TEST(Message, ErrnoIsSaidInWords) { EXPECT_EQ(error_text(ENOENT), "No such file or directory"); }

}  // namespace
}  // namespace kebound::tool
