// SPDX-License-Identifier: Apache-2.0
#include "report/html_writer.h"

#include <fmt/format.h>

#include "report/escape.h"

namespace kebound::report {

HtmlWriter& HtmlWriter::text(std::string_view text, size_t longest) {
  auto shown = escaped(text);
  if (shown.size() > longest) {
    size_t end = longest;
    while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xc0) == 0x80) --end;
    shown.resize(end);
    shown += "\xe2\x80\xa6";
  }
  for (const char character : shown) {
    switch (character) {
      case '&':
        out_ += "&amp;";
        break;
      case '<':
        out_ += "&lt;";
        break;
      case '>':
        out_ += "&gt;";
        break;
      case '"':
        out_ += "&quot;";
        break;
      case '\'':
        out_ += "&#39;";
        break;
      default:
        out_ += character;
    }
  }
  return *this;
}

HtmlWriter& HtmlWriter::number(unsigned long long value) { return markup(grouped(value)); }

std::string grouped(unsigned long long count) {
  const auto digits = fmt::format("{}", count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string counted(unsigned long long count, std::string_view thing) {
  return fmt::format("{} {}{}", grouped(count), thing, count == 1 ? "" : "s");
}

std::string duration(long long ns) {
  if (ns < 1'000'000) return fmt::format("{} \xc2\xb5s", ns / 1'000);
  if (ns < 1'000'000'000) return fmt::format("{:.1f} ms", static_cast<double>(ns) / 1e6);
  const long long seconds = ns / 1'000'000'000;
  if (seconds < 60) return fmt::format("{:.2f} s", static_cast<double>(ns) / 1e9);
  if (seconds < 3'600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3'600, seconds % 3'600 / 60);
}

}  // namespace kebound::report
