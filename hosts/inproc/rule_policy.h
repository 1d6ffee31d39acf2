// SPDX-License-Identifier: Apache-2.0
//
// The rules of `kebound run --host inproc --rules`, as the built-in callback asks them.
#pragma once

#include "hosts/inproc/policy.h"

namespace kebound::inproc {

// Maps the table (rules/table.h) that `path` names; false when it is none. Context: not in a signal
// handler, before rules_callback() is registered.
[[nodiscard]] bool open_rules(const char* path) noexcept;

// The first rule that is about an exception decides, `fallback` where there is none. Context of the
// callback: as kebound_callback.
[[nodiscard]] kebound_callback rules_callback(OnBound fallback) noexcept;

}  // namespace kebound::inproc
