// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

#include <string>
#include <string_view>

namespace kebound::report {

// Appends HTML. What a program or driver named goes through text(), always; markup() is for
// literals of kebound's own.
class HtmlWriter {
 public:
  explicit HtmlWriter(std::string& out) : out_(out) {}

  HtmlWriter& markup(std::string_view literal) {
    out_ += literal;
    return *this;
  }
  // Text, also inside a quoted attribute: nothing in it is markup, control characters and marks
  // that turn the writing direction are shown as \xNN and \uNNNN. Longer ones are cut and end in an
  // ellipsis.
  HtmlWriter& text(std::string_view text, size_t longest = 4'096);
  HtmlWriter& number(unsigned long long value);

 private:
  std::string& out_;
};

// "1 exception", "12 exceptions"
[[nodiscard]] std::string counted(unsigned long long count, std::string_view thing);
// "1,234,567"
[[nodiscard]] std::string grouped(unsigned long long count);
// "850 us", "12.3 ms", "4.2 s", "3 min 5 s"
[[nodiscard]] std::string duration(long long ns);

}  // namespace kebound::report
