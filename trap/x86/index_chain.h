// SPDX-License-Identifier: Apache-2.0
//
// What the compared number was calculated from: k, where the check is one of k + 3 or of 4 * k.
// Freestanding.
#pragma once

#include <stdint.h>

#include "trap/x86/flow_analysis.h"

namespace kebound::x86 {

class LinearForms;
struct LinearForm;

// A displacement that is an array's address rather than the offset of a member.
[[nodiscard]] constexpr bool is_address(int64_t displacement) noexcept {
  constexpr int64_t kLeast = 4096;
  return displacement >= kLeast || displacement <= -kLeast;
}

// The constant that an instruction adds to what it calculates. 0 too where it adds none.
[[nodiscard]] int64_t added_constant(const Instruction& in) noexcept;

// The instruction that made a value, and where it is; false for what no instruction made.
[[nodiscard]] bool definition(const FlowAnalysis& flow, ValueId value, Instruction& in,
                              uint64_t& at) noexcept;

// The compared number is values[i] * factors[i] + sums[i].
struct IndexChain {
  static constexpr unsigned kMax = 4;
  uint8_t count = 0;
  ValueId values[kMax] = {};
  int16_t factors[kMax] = {};
  int32_t sums[kMax] = {};

  // Where it is one of `value` as well; count if it is none.
  [[nodiscard]] unsigned find(ValueId value) const noexcept;
};
[[nodiscard]] IndexChain index_chain(const FlowAnalysis& flow, ValueId compared) noexcept;

// A value that is the same at each execution: the address of a global object, or of the table of
// them in position-independent code.
[[nodiscard]] bool constant_value(const FlowAnalysis& flow, ValueId value, uint64_t& out) noexcept;

// The checks of a function whose indices are the compared number plus a constant.
struct SisterChecks {
  static constexpr unsigned kMax = 32;
  uint8_t count = 0;
  bool all = true;  // there was room for them
  int32_t sums[kMax] = {};
  // The other checks, of values that are no such sum.
  uint8_t other_count = 0;
  ValueId others[kMax] = {};

  [[nodiscard]] bool has(int64_t sum) const noexcept;
};
// `compare`: the one that is looked at, which is not among them; `trap`: Ud1 where its trap is one,
// then only such checks count, which guard accesses; clang's ud2 are more checks of the same ones.
// `index`: the compared number as a sum of `forms`, or null.
void find_sisters(FlowAnalysis& flow, uint64_t compare, Op trap, ValueId compared,
                  const LinearForms& forms, const LinearForm* index, SisterChecks& out) noexcept;

}  // namespace kebound::x86
