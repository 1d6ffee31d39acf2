// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "rules/rule.h"

namespace kebound::rules {

// The line of a rules file that keeps exceptions like the one at `site` out of reports: by function
// and file, which outlive a new build, as far as they are known; else by offset and build ID.
// Context: any thread.
[[nodiscard]] std::string suggest_rule(const Site& site);

}  // namespace kebound::rules
