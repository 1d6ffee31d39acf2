// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

#include <string>
#include <string_view>

namespace kebound::nt {

// Between UTF-16 (lone surrogates allowed) and UTF-8; what is malformed becomes U+FFFD. Allocate;
// never fail otherwise.
[[nodiscard]] std::string to_utf8(std::u16string_view text);
[[nodiscard]] std::u16string to_utf16(std::string_view text);
// One code point, appended.
void append_utf8(std::string& out, char32_t code_point);

}  // namespace kebound::nt
