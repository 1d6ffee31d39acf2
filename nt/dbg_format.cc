// SPDX-License-Identifier: Apache-2.0
#include "nt/dbg_format.h"

#include <stdint.h>
#include <string.h>

#include <algorithm>

#include "include/nt/wdm.h"

namespace kebound::nt {

namespace {

class Output {
 public:
  Output(char* out, size_t size) noexcept : out_(out), size_(size) {}
  void put(char c) noexcept {
    if (length_ < size_) {
      out_[length_++] = c;
    } else {
      full_ = true;
    }
  }
  void repeat(char c, size_t count) noexcept {
    for (; count != 0 && !full_; --count) put(c);
  }
  // One code point, whole or not at all.
  void put_code_point(char32_t c) noexcept {
    char bytes[4];
    size_t n = 0;
    if (c < 0x80) {
      bytes[n++] = static_cast<char>(c);
    } else {
      const unsigned extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
      constexpr unsigned char kLead[] = {0, 0xc0, 0xe0, 0xf0};
      bytes[n++] = static_cast<char>(kLead[extra] | c >> (6 * extra));
      for (unsigned i = extra; i-- > 0;)
        bytes[n++] = static_cast<char>(0x80 | (c >> (6 * i) & 0x3f));
    }
    if (length_ + n > size_) {
      full_ = true;
      size_ = length_;
      return;
    }
    for (size_t i = 0; i < n; ++i) put(bytes[i]);
  }
  [[nodiscard]] bool full() const noexcept { return full_; }
  [[nodiscard]] size_t finish() noexcept {
    if (length_ < size_) return length_;
    // Cut inside a character of narrow text: go back to its first byte if it is not complete.
    size_t start = length_;
    while (start > 0 && length_ - start < 4 && (out_[start - 1] & 0xc0) == 0x80) --start;
    if (start == 0 || (out_[start - 1] & 0x80) == 0) return length_;
    const auto lead = static_cast<unsigned char>(out_[start - 1]);
    const size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return length_ - (start - 1) < wanted ? start - 1 : length_;
  }

 private:
  char* out_;
  size_t size_;
  size_t length_ = 0;
  bool full_ = false;
};

enum class Size : uint8_t { Default, Char, Short, Bits64 };

struct Spec {
  bool left = false;
  bool plus = false;
  bool space = false;
  bool alternate = false;
  bool zero = false;
  size_t width = 0;
  bool has_precision = false;
  size_t precision = 0;
  Size size = Size::Default;
  bool wide = false;    // w or l before s, c, Z
  bool narrow = false;  // h before s, S, c
};

// The arguments, copied so that they can be passed by reference.
struct Arguments {
  va_list list;
};

[[nodiscard]] size_t read_number(const char*& at, Arguments& arguments, bool& negative) noexcept {
  negative = false;
  if (*at == '*') {
    ++at;
    const int value = va_arg(arguments.list, int);
    negative = value < 0;
    return negative ? 0U - static_cast<unsigned>(value) : static_cast<unsigned>(value);
  }
  size_t value = 0;
  for (; *at >= '0' && *at <= '9'; ++at)
    value = std::min<size_t>(value * 10 + static_cast<size_t>(*at - '0'), 0xffff);
  return value;
}

void read_flags(const char*& at, Spec& spec) noexcept {
  for (;; ++at) {
    switch (*at) {
      case '-':
        spec.left = true;
        break;
      case '+':
        spec.plus = true;
        break;
      case ' ':
        spec.space = true;
        break;
      case '#':
        spec.alternate = true;
        break;
      case '0':
        spec.zero = true;
        break;
      default:
        return;
    }
  }
}

void read_size(const char*& at, Spec& spec) noexcept {
  if (strncmp(at, "I64", 3) == 0) {
    spec.size = Size::Bits64;
    at += 3;
  } else if (strncmp(at, "I32", 3) == 0) {
    at += 3;
  } else if (strncmp(at, "ll", 2) == 0) {
    spec.size = Size::Bits64;
    at += 2;
  } else if (strncmp(at, "hh", 2) == 0) {
    spec.size = Size::Char;
    spec.narrow = true;
    at += 2;
  } else if (*at == 'l' || *at == 'w') {  // NT's long has 32 bits
    spec.wide = true;
    ++at;
  } else if (*at == 'h') {
    spec.size = Size::Short;
    spec.narrow = true;
    ++at;
  } else if (*at == 'I' || *at == 'z' || *at == 't' || *at == 'j') {
    spec.size = Size::Bits64;
    ++at;
  }
}

void put_padded_number(Output& out, const Spec& spec, const char* prefix, const char* digits,
                       size_t count) noexcept {
  size_t zeros = spec.has_precision && spec.precision > count ? spec.precision - count : 0;
  const size_t used = strlen(prefix) + zeros + count;
  size_t pad = spec.width > used ? spec.width - used : 0;
  if (spec.zero && !spec.left && !spec.has_precision) {
    zeros += pad;
    pad = 0;
  }
  if (!spec.left) out.repeat(' ', pad);
  for (; *prefix != 0; ++prefix) out.put(*prefix);
  out.repeat('0', zeros);
  for (size_t i = 0; i < count; ++i) out.put(digits[i]);
  if (spec.left) out.repeat(' ', pad);
}

void put_number(Output& out, const Spec& spec, uint64_t value, unsigned base, bool upper,
                const char* prefix) noexcept {
  const char* alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  char digits[24];
  size_t at = sizeof digits;
  while (value != 0) {
    digits[--at] = alphabet[value % base];
    value /= base;
  }
  if (at == sizeof digits && !(spec.has_precision && spec.precision == 0)) digits[--at] = '0';
  put_padded_number(out, spec, prefix, digits + at, sizeof digits - at);
}

void put_integer(Output& out, const Spec& spec, char conversion, Arguments& arguments) noexcept {
  const bool is_signed = conversion == 'd' || conversion == 'i';
  uint64_t value = 0;
  if (spec.size == Size::Bits64) {
    value = va_arg(arguments.list, uint64_t);
  } else {
    const unsigned raw = va_arg(arguments.list, unsigned);
    int64_t extended = is_signed ? static_cast<int32_t>(raw) : static_cast<int64_t>(raw);
    if (spec.size == Size::Short)
      extended = is_signed ? static_cast<int16_t>(raw) : static_cast<uint16_t>(raw);
    if (spec.size == Size::Char)
      extended = is_signed ? static_cast<int8_t>(raw) : static_cast<uint8_t>(raw);
    value = static_cast<uint64_t>(extended);
  }
  if (is_signed) {
    const bool negative = static_cast<int64_t>(value) < 0;
    put_number(out, spec, negative ? 0 - value : value, 10, false,
               negative     ? "-"
               : spec.plus  ? "+"
               : spec.space ? " "
                            : "");
  } else if (conversion == 'u') {
    put_number(out, spec, value, 10, false, "");
  } else if (conversion == 'o') {
    put_number(out, spec, value, 8, false, spec.alternate && value != 0 ? "0" : "");
  } else {
    const bool upper = conversion == 'X';
    put_number(out, spec, value, 16, upper,
               spec.alternate && value != 0 ? (upper ? "0X" : "0x") : "");
  }
}

void put_narrow(Output& out, const Spec& spec, const char* text, size_t length) noexcept {
  const size_t pad = spec.width > length ? spec.width - length : 0;
  if (!spec.left) out.repeat(' ', pad);
  for (size_t i = 0; i < length && !out.full(); ++i) out.put(text[i]);
  if (spec.left) out.repeat(' ', pad);
}

void put_wide(Output& out, const Spec& spec, const WCHAR* text, size_t length) noexcept {
  const size_t pad = spec.width > length ? spec.width - length : 0;
  if (!spec.left) out.repeat(' ', pad);
  for (size_t i = 0; i < length && !out.full(); ++i) {
    char32_t c = text[i];
    if (c >= 0xd800 && c <= 0xdbff && i + 1 < length && text[i + 1] >= 0xdc00 &&
        text[i + 1] <= 0xdfff) {
      c = 0x10000 + ((c - 0xd800) << 10) + (text[++i] - 0xdc00U);
    } else if (c >= 0xd800 && c <= 0xdfff) {
      c = 0xfffd;
    }
    out.put_code_point(c);
  }
  if (spec.left) out.repeat(' ', pad);
}

template <class Unit>
[[nodiscard]] size_t text_length(const Unit* text, const Spec& spec) noexcept {
  // More than the whole output is never needed, and an unterminated text not read further.
  const size_t limit =
      spec.has_precision ? std::min(spec.precision, kDebugOutputLimit) : kDebugOutputLimit;
  size_t length = 0;
  while (length < limit && text[length] != 0) ++length;
  return length;
}

void put_string(Output& out, const Spec& spec, bool wide, Arguments& arguments) noexcept {
  const void* text = va_arg(arguments.list, const void*);
  if (text == nullptr) {
    put_narrow(out, spec, "(null)", 6);
  } else if (wide) {
    const auto* units = static_cast<const WCHAR*>(text);
    put_wide(out, spec, units, text_length(units, spec));
  } else {
    const auto* bytes = static_cast<const char*>(text);
    put_narrow(out, spec, bytes, text_length(bytes, spec));
  }
}

void put_counted(Output& out, const Spec& spec, Arguments& arguments) noexcept {
  const void* string = va_arg(arguments.list, const void*);
  const auto limit = [&](size_t units) {
    return spec.has_precision ? std::min(spec.precision, units) : units;
  };
  if (spec.wide) {
    const auto* wide = static_cast<const UNICODE_STRING*>(string);
    if (wide != nullptr && wide->Buffer != nullptr) {
      put_wide(out, spec, wide->Buffer, limit(wide->Length / sizeof(WCHAR)));
      return;
    }
  } else {
    const auto* narrow = static_cast<const ANSI_STRING*>(string);
    if (narrow != nullptr && narrow->Buffer != nullptr) {
      put_narrow(out, spec, narrow->Buffer, limit(narrow->Length));
      return;
    }
  }
  put_narrow(out, spec, "(null)", 6);
}

void put_character(Output& out, const Spec& spec, bool wide, Arguments& arguments) noexcept {
  const int value = va_arg(arguments.list, int);
  if (wide) {
    const auto unit = static_cast<WCHAR>(value);
    put_wide(out, spec, &unit, 1);
  } else {
    const auto byte = static_cast<char>(value);
    put_narrow(out, spec, &byte, 1);
  }
}

// False for a conversion that is not known.
[[nodiscard]] bool put_conversion(Output& out, Spec& spec, char conversion,
                                  Arguments& arguments) noexcept {
  switch (conversion) {
    case '%':
      out.put('%');
      return true;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
      put_integer(out, spec, conversion, arguments);
      return true;
    case 'p':
      spec.has_precision = true;
      spec.precision = 16;
      put_number(out, spec, va_arg(arguments.list, uint64_t), 16, true, "");
      return true;
    case 's':
      put_string(out, spec, spec.wide, arguments);
      return true;
    case 'S':
      put_string(out, spec, !spec.narrow, arguments);
      return true;
    case 'c':
      put_character(out, spec, spec.wide, arguments);
      return true;
    case 'C':
      put_character(out, spec, !spec.narrow, arguments);
      return true;
    case 'Z':
      put_counted(out, spec, arguments);
      return true;
    default:
      return false;
  }
}

}  // namespace

size_t format_debug_output(char* buffer, size_t size, const char* format, va_list list) noexcept {
  Output out(buffer, size);
  Arguments arguments;
  va_copy(arguments.list, list);
  while (*format != 0 && !out.full()) {
    if (*format != '%') {
      out.put(*format++);
      continue;
    }
    const char* at = format + 1;
    Spec spec;
    bool negative = false;
    read_flags(at, spec);
    spec.width = read_number(at, arguments, negative);
    spec.left = spec.left || negative;
    if (*at == '.') {
      ++at;
      spec.precision = read_number(at, arguments, negative);
      spec.has_precision = !negative;
    }
    read_size(at, spec);
    if (!put_conversion(out, spec, *at, arguments)) {
      while (*format != 0) out.put(*format++);
      break;
    }
    format = at + 1;
  }
  va_end(arguments.list);
  return out.finish();
}

}  // namespace kebound::nt
