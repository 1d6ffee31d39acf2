// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "rules/rule.h"
#include "tools/kebound/message.h"

namespace kebound::tool {

// Why the in-process host cannot have these rules; nothing if it can.
[[nodiscard]] std::optional<Message> find_rule_for_supervisor(
    const std::vector<rules::Rule>& rules);

// The table of rules for `program` and the libraries that its loader says it loads: what rules ask
// for by name is looked up in them, in a process of its own. Nothing, and `why`, if there would be
// too much of it. Context: before this process has threads.
[[nodiscard]] std::optional<std::vector<uint8_t>> make_rules_table(
    const std::vector<rules::Rule>& rules, const std::string& program, Message& why);

}  // namespace kebound::tool
