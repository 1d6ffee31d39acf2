// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "report/location.h"
#include "rules/rule.h"
#include "trap/bound_event.h"

namespace kebound::report {

// The place of an exception as rules see it.
[[nodiscard]] rules::Site site_of(const BoundEvent& event, const Location& location);

// What --gen-suppressions prints for it: a line of a rules file.
[[nodiscard]] std::string suppression(const BoundEvent& event, const Location& location);

}  // namespace kebound::report
