// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "trap/x86/instruction.h"

namespace kebound::scan {

// An operand as people write it: "eax", "ah", "[rbp-0x14]", "9".
[[nodiscard]] std::string operand_text(const x86::Operand& operand);

}  // namespace kebound::scan
