// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/rules_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iterator>
#include <optional>
#include <utility>

#include "rules/parser.h"
#include "tools/kebound/message.h"

namespace kebound::tool {
namespace {

constexpr const char* kRemedy = "name a readable file of rules (docs/rules.md)";

// Up to one byte more than a rules file may have: the parser then says so. Pipes are fine.
std::optional<std::string> read_text(const std::string& name, int& error) {
  const bool is_input = name == "-";
  const int fd = is_input ? STDIN_FILENO : open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    error = errno;
    return std::nullopt;
  }
  std::string text;
  char buffer[16 * 1024];
  error = 0;
  while (text.size() <= rules::kMaxFileSize) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) error = errno;
    if (count <= 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  if (!is_input) close(fd);
  if (error != 0) return std::nullopt;
  return text;
}

}  // namespace

bool read_rules(const std::vector<std::string>& names, std::vector<rules::Rule>& rules) {
  bool ok = true;
  for (const std::string& name : names) {
    int error = 0;
    const std::optional<std::string> text = read_text(name, error);
    if (!text) {
      print_message({name, "the rules cannot be read: " + error_text(error), kRemedy});
      ok = false;
      continue;
    }
    rules::ParsedRules parsed = rules::parse_rules(*text, name);
    for (const rules::Problem& problem : parsed.problems) {
      const std::string place = fmt::format("{}:{}:{}", name, problem.line, problem.column);
      if (problem.what.empty()) {
        print_message({place, problem.why, problem.remedy});
      } else {
        print_message({place + ": " + problem.what, problem.why, problem.remedy});
      }
      ok = false;
    }
    if (parsed.problems.size() == rules::ParsedRules::kMaxProblems) {
      print_message({name, "further lines were not looked at", "correct those above first"});
    }
    std::move(parsed.rules.begin(), parsed.rules.end(), std::back_inserter(rules));
  }
  return ok;
}

}  // namespace kebound::tool
