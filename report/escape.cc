// SPDX-License-Identifier: Apache-2.0
#include "report/escape.h"

#include <stddef.h>
#include <stdint.h>

namespace kebound::report {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// Length of the UTF-8 character that `text` begins with, 0 if it begins with none.
size_t decode(std::string_view text, uint32_t& character) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  size_t length = 0;
  uint32_t smallest = 0;
  if (first < 0x80) {
    character = first;
    return 1;
  }
  if ((first & 0xe0) == 0xc0) {
    length = 2, smallest = 0x80, character = first & 0x1fu;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3, smallest = 0x800, character = first & 0x0fu;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4, smallest = 0x10000, character = first & 0x07u;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    character = character << 6 | (byte(i) & 0x3fu);
  }
  const bool is_surrogate = character >= 0xd800 && character <= 0xdfff;
  return character < smallest || character > 0x10ffff || is_surrogate ? 0 : length;
}

bool is_control(uint32_t character) {
  return character < 0x20 || (character >= 0x7f && character <= 0x9f);
}

// Line separators, and the marks that make text read in another order than it is written.
bool misleads(uint32_t character) {
  return character == 0x61c || character == 0x200e || character == 0x200f ||
         (character >= 0x2028 && character <= 0x202e) ||
         (character >= 0x2066 && character <= 0x2069) || character == 0xfeff;
}

void append_hex(std::string& out, uint32_t value, int digits) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += kHex[value >> shift & 0xf];
}

void append_private_byte(std::string& out, uint8_t byte) {  // U+EF00 + byte, for bytes from 0x80
  out += '\xee';
  out += static_cast<char>(0xbc | byte >> 6);
  out += static_cast<char>(0x80 | (byte & 0x3f));
}

bool is_plain(char character) {
  const auto byte = static_cast<uint8_t>(character);
  return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    uint32_t character = 0;
    const size_t length = decode(text, character);
    if (length == 0) {
      out += "\\x";
      append_hex(out, static_cast<uint8_t>(text[0]), 2);
    } else if (is_control(character)) {
      out += "\\x";
      append_hex(out, character, 2);
    } else if (misleads(character)) {
      out += "\\u";
      append_hex(out, character, 4);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

std::string escaped(std::string_view text) {
  std::string out;
  append_escaped(out, text);
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    uint32_t character = 0;
    const size_t length = decode(text, character);
    if (length == 0) {
      append_private_byte(out, static_cast<uint8_t>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (character == '"' || character == '\\') {
      out += '\\';
      out += static_cast<char>(character);
    } else if (is_control(character) || misleads(character)) {
      out += "\\u";
      append_hex(out, character, 4);
    } else if (character >= 0xef80 && character <= 0xefff) {
      for (const char byte : text.substr(0, length))
        append_private_byte(out, static_cast<uint8_t>(byte));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  out += '"';
}

}  // namespace kebound::report
