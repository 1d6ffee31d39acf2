// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/message.h"

#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

namespace kebound::tool {

std::string escape_controls(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\t') {
      escaped += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      escaped += fmt::format("\\x{:02x}", byte);
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string format_message(const Message& message) {
  std::string line =
      fmt::format("kebound: {}: {}", escape_controls(message.what), escape_controls(message.why));
  if (!message.remedy.empty()) line += "; " + escape_controls(message.remedy);
  return line + "\n";
}

void print_message(const Message& message) {
  const std::string line = format_message(message);
  // Nobody is left to be told when standard error itself cannot be written.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

std::string error_text(int error) {
  char buffer[256];
  return strerror_r(error, buffer, sizeof buffer);
}

}  // namespace kebound::tool
