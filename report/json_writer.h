// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "report/escape.h"

namespace kebound::report {

// Appends one JSON value piece by piece. The names of members are the caller's literals and need no
// escaping.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    out_ += bracket;
    first_ = false;
  }
  JsonWriter& member(std::string_view name) {
    separate();
    out_ += '"';
    out_ += name;
    out_ += "\":";
    first_ = true;  // the value follows without a comma
    return *this;
  }

  void number(int64_t value) {
    separate();
    append(value, 10);
  }
  void number(uint64_t value) {
    separate();
    append(value, 10);
  }
  void boolean(bool value) { raw(value ? "true" : "false"); }
  void null() { raw("null"); }
  void string(std::string_view text) {
    separate();
    append_json_string(out_, text);
  }
  // A string, or null where nothing is known.
  void text_or_null(std::string_view text) { text.empty() ? null() : string(text); }
  void number_or_null(int64_t value) { value == 0 ? null() : number(value); }
  // "0x1f": 64-bit values do not survive as numbers in every JSON reader.
  void hex(uint64_t value) {
    raw("\"0x");
    append(value, 16);
    out_ += '"';
  }
  // Text that is JSON already.
  void raw(std::string_view json) {
    separate();
    out_ += json;
  }

 private:
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  template <typename Integer>
  void append(Integer value, int base) {
    char digits[24];
    const auto result = std::to_chars(digits, digits + sizeof digits, value, base);
    out_.append(digits, result.ptr);
  }

  std::string& out_;
  bool first_ = true;
};

}  // namespace kebound::report
