// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "rules/rule.h"

namespace kebound::tool {

// Reads rules files and appends their rules in the order of the names; "-" is standard input.
// False after messages on standard error, one for each line that is wrong.
[[nodiscard]] bool read_rules(const std::vector<std::string>& names,
                              std::vector<rules::Rule>& rules);

}  // namespace kebound::tool
