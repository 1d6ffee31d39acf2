// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kebound::tool {

struct Words {
  std::vector<std::string> words;
  const char* error = nullptr;  // set: the text is no list of words, and why
};

// Splits `text` as a POSIX shell splits a command line: blanks separate words; '...', "..." and
// backslash quote. Nothing is expanded: no variables, no file names, no comments.
[[nodiscard]] Words split_words(std::string_view text);

}  // namespace kebound::tool
