// SPDX-License-Identifier: Apache-2.0
//
// Names and texts come from the target and its drivers: any bytes at all. Nothing of them may steer
// a terminal or break a JSON line.
#pragma once

#include <string>
#include <string_view>

namespace kebound::report {

// For people: control characters, bytes that are no UTF-8 and characters that turn the writing
// direction become \xNN or \uNNNN; a newline too, unless the caller split the text into lines
// before.
void append_escaped(std::string& out, std::string_view text);
[[nodiscard]] std::string escaped(std::string_view text);

// A JSON string with its quotes; always valid UTF-8, and reversible: a byte that is not part of
// valid UTF-8 becomes the private-use character U+EF00 + byte (U+EF80 to U+EFFF), and so do the
// bytes of those characters themselves where they occur.
void append_json_string(std::string& out, std::string_view text);

}  // namespace kebound::report
