// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/simple_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace kebound::tool {
namespace {

std::string help_text(const Syntax& syntax, const std::vector<SimpleOption>& options) {
  auto text = fmt::format("Usage: kebound {} [OPTION]... {}\n{}\n\n", syntax.name, syntax.operands,
                          syntax.summary);
  const auto line = [&text](const std::string& names, const char* help) {
    text += fmt::format("  {:<22} {}\n", names, help);
  };
  for (const auto& option : options) {
    std::string names;
    if (option.letter != 0) names += fmt::format("-{}, ", option.letter);
    names += option.name;
    if (option.value != nullptr) names += std::string(" ") + option.value;
    line(names, option.help);
  }
  line("-h, --help", "show this help");
  return text + "\n" + syntax.statuses;
}

}  // namespace

SimpleParse parse_simple(const Syntax& syntax, const std::vector<SimpleOption>& options,
                         const std::vector<std::string>& words) {
  const auto see_help = fmt::format("see 'kebound {} --help'", syntax.name);
  std::vector<std::string> operands;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      operands.insert(operands.end(), words.begin() + static_cast<ptrdiff_t>(i) + 1, words.end());
      break;
    }
    if (word == "--help" || word == "-h") return HelpText{help_text(syntax, options)};
    if (word.size() < 2 || word[0] != '-') {
      operands.push_back(word);
      continue;
    }
    const bool is_long = word[1] == '-';
    const size_t end = is_long ? std::min(word.find('='), word.size()) : 2;
    const std::string name = word.substr(0, end);
    const SimpleOption* found = nullptr;
    for (const auto& option : options) {
      if (is_long ? name == option.name : option.letter == word[1]) found = &option;
    }
    if (found == nullptr) return Message{name, "unknown option", see_help};
    std::string value = word.substr(std::min(end + (is_long ? 1 : 0), word.size()));
    if (found->value == nullptr) {
      if (word.size() > end) return Message{name, "takes no value", see_help};
    } else if (word.size() == end) {
      if (++i == words.size()) return Message{name, "a value is missing", see_help};
      value = words[i];
    }
    if (found->value != nullptr && value.empty()) {
      return Message{name, "the value is empty", see_help};
    }
    if (auto wrong = found->take(value); !wrong.empty()) {
      return Message{found->name, std::move(wrong), see_help};
    }
  }
  return operands;
}

}  // namespace kebound::tool
