// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kebound::calls {

// Words into a buffer of fixed size; what does not fit is dropped. Ends with a 0.
class Text {
 public:
  Text(char* buffer, size_t size) noexcept : buffer_(buffer), room_(size != 0 ? size - 1 : 0) {
    if (size != 0) buffer_[0] = '\0';
  }

  Text& character(char c) noexcept {
    if (used_ == room_) return *this;
    buffer_[used_++] = c;
    buffer_[used_] = '\0';
    return *this;
  }
  Text& words(const char* text) noexcept {
    while (*text != '\0') character(*text++);
    return *this;
  }
  Text& decimal(uint64_t value) noexcept {
    char digits[20];
    size_t count = 0;
    do {
      digits[count++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    while (count != 0) character(digits[--count]);
    return *this;
  }
  Text& signed_decimal(int64_t value) noexcept {
    if (value >= 0) return decimal(static_cast<uint64_t>(value));
    return character('-').decimal(0 - static_cast<uint64_t>(value));
  }
  Text& hexadecimal(uint64_t value) noexcept {
    int shift = 60;
    while (shift != 0 && value >> shift == 0) shift -= 4;
    for (; shift >= 0; shift -= 4) character("0123456789abcdef"[value >> shift & 15]);
    return *this;
  }
  [[nodiscard]] size_t size() const noexcept { return used_; }

 private:
  char* buffer_;
  size_t room_;
  size_t used_ = 0;
};

}  // namespace kebound::calls
