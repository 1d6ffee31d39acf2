// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trap/x86/check_site.h"
#include "trap/x86/flow_analysis.h"

namespace kebound::x86 {

// What a compiler may know about the number in `operand` at the compare, whose values are `state`
// and whose check ends in `trap`. The analysis' related values are those of that number.
// Freestanding.
[[nodiscard]] IndexRange index_range(FlowAnalysis& flow, uint64_t compare, Op trap,
                                     const FlowState& state, Place operand) noexcept;

}  // namespace kebound::x86
