// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trap/x86/check_site.h"
#include "trap/x86/flow_analysis.h"
#include "trap/x86/function_facts.h"

namespace kebound::x86 {

// What a compiler may know about a number.
struct NumberRange {
  IndexRange range = IndexRange::Unknown;
  uint8_t parameter = kNoRegister;  // Given: the register that it came in
};

// That of the one in `operand` at the compare, whose values are `state` and whose check ends in
// `trap`. The analysis' related values are those of that number. Freestanding.
[[nodiscard]] NumberRange index_range(FlowAnalysis& flow, uint64_t compare, Op trap,
                                      const FlowState& state, Place operand) noexcept;

// That the compiler of that function knows nothing about a number of `bits` bits of which it may
// have known something.
[[nodiscard]] bool is_unknown_by(const FunctionFacts& facts, const NumberRange& number,
                                 unsigned bits) noexcept;

// That the checks in that function which end in a ud2 are optimized like code.
[[nodiscard]] bool folds_checks(const FunctionFacts& facts) noexcept;

// Whether a compiler may know low bits of the number: a multiple of 8, whatever was masked, a
// loop's counter. Of "k + 1 < 24", where k is such a multiple, clang makes "k < 24".
[[nodiscard]] bool may_know_low_bits(const FlowAnalysis& flow, ValueId value) noexcept;

// To fold k + 3 < m + 3, or 2 * k < 2 * m, into k < m, a compiler must know that m leaves room for
// it; of what was read from memory as it is, or is the quotient of a difference, it does not.
[[nodiscard]] bool is_limit_unfolded(FlowAnalysis& flow, const Instruction& compare,
                                     const BoundShape& shape, const FlowState& state) noexcept;

}  // namespace kebound::x86
