// SPDX-License-Identifier: Apache-2.0
#include "nt/utf.h"

namespace kebound::nt {

namespace {

constexpr char32_t kReplacement = 0xfffd;

[[nodiscard]] bool is_high(char32_t c) noexcept { return c >= 0xd800 && c <= 0xdbff; }
[[nodiscard]] bool is_low(char32_t c) noexcept { return c >= 0xdc00 && c <= 0xdfff; }

// The code point at the start of `text`, which it shortens; malformed input costs one byte.
char32_t take_utf8(std::string_view& text) noexcept {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  size_t length = first < 0x80   ? 1
                  : first < 0xc2 ? 0
                  : first < 0xe0 ? 2
                  : first < 0xf0 ? 3
                  : first < 0xf5 ? 4
                                 : 0;
  char32_t code = length == 1   ? first
                  : length == 2 ? first & 0x1fU
                  : length == 3 ? first & 0x0fU
                                : first & 0x07U;
  if (length > text.size()) length = 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      length = 0;
      break;
    }
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (length == 0 || code < kSmallest[length] || code > 0x10ffff || is_high(code) || is_low(code)) {
    text.remove_prefix(1);
    return kReplacement;
  }
  text.remove_prefix(length);
  return code;
}

}  // namespace

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

std::string to_utf8(std::u16string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char32_t c = text[i];
    if (is_high(c) && i + 1 < text.size() && is_low(text[i + 1])) {
      c = 0x10000 + ((c - 0xd800) << 10) + (text[++i] - 0xdc00U);
    } else if (is_high(c) || is_low(c)) {
      c = kReplacement;
    }
    append_utf8(out, c);
  }
  return out;
}

std::u16string to_utf16(std::string_view text) {
  std::u16string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const char32_t c = take_utf8(text);
    if (c >= 0x10000) {
      out += static_cast<char16_t>(0xd800 + ((c - 0x10000) >> 10));
      out += static_cast<char16_t>(0xdc00 + ((c - 0x10000) & 0x3ff));
    } else {
      out += static_cast<char16_t>(c);
    }
  }
  return out;
}

}  // namespace kebound::nt
