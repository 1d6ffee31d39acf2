// SPDX-License-Identifier: Apache-2.0
//
// The functions that compilers and libraries call when a check has failed, or to have one made.
#pragma once

#include <optional>
#include <string_view>

#include "scan/check.h"

namespace kebound::scan {

struct CheckingFunction {
  BoundSource source = BoundSource::UbsanHandler;
  CheckKind kind = CheckKind::ArrayBounds;
  Known known = Known::No;
  const char* why = "";  // a failure cannot be resumed
};

// `symbol` as the linker knows it; nothing if it has to do with no bounds.
[[nodiscard]] std::optional<CheckingFunction> checking_function(std::string_view symbol);

}  // namespace kebound::scan
