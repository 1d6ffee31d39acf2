// SPDX-License-Identifier: Apache-2.0
//
// Command lines of the subcommands that run no program: options may stand anywhere, and what is
// behind them is not somebody else's.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "tools/kebound/message.h"
#include "tools/kebound/options.h"

namespace kebound::tool {

struct SimpleOption {
  const char* name;   // "--output"
  char letter;        // 'o', or 0
  const char* value;  // "FILE"; null: takes none
  const char* help;
  // An empty answer means that the value (empty for a flag) was taken; anything else says what is
  // wrong with it.
  std::function<std::string(const std::string& value)> take;
};

// The operands, the answer to --help, or the usage error to report.
using SimpleParse = std::variant<std::vector<std::string>, HelpText, Message>;
[[nodiscard]] SimpleParse parse_simple(const Syntax& syntax,
                                       const std::vector<SimpleOption>& options,
                                       const std::vector<std::string>& words);

}  // namespace kebound::tool
