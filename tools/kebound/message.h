// SPDX-License-Identifier: Apache-2.0
//
// Everything kebound says about itself has one form: "kebound: what: why; what to do".
#pragma once

#include <string>
#include <string_view>

namespace kebound::tool {

struct Message {
  std::string what;    // the option, file or process concerned
  std::string why;     // what is wrong with it
  std::string remedy;  // what to do about it; may be empty
};

// The line as printed, newline included. Control characters are escaped: names come from outside
// and must not drive the terminal.
[[nodiscard]] std::string format_message(const Message& message);

// Writes the line to standard error, in one write. Context: any thread.
void print_message(const Message& message);

// `text` with control characters as \xNN (tab and newline as \t and \n). Bytes above 0x7f pass.
[[nodiscard]] std::string escape_controls(std::string_view text);

// errno as words.
[[nodiscard]] std::string error_text(int error);

}  // namespace kebound::tool
