// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trap/x86/check_site.h"
#include "trap/x86/flow_analysis.h"

namespace kebound::x86 {

// What a compiler may know about the number in `operand` at the compare, whose values are `state`.
// The analysis' related values are those of that number. Freestanding.
[[nodiscard]] IndexRange index_range(FlowAnalysis& flow, uint64_t compare, const FlowState& state,
                                     Place operand) noexcept;

// Whether a compiler may know low bits of the number: a multiple of 8, whatever was masked, a
// loop's counter. Of "k + 1 < 24", where k is such a multiple, clang makes "k < 24".
[[nodiscard]] bool may_know_low_bits(const FlowAnalysis& flow, ValueId value) noexcept;

}  // namespace kebound::x86
