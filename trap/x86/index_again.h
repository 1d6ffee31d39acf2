// SPDX-License-Identifier: Apache-2.0
//
// The compared number calculated a second time. Without optimization gcc evaluates an index that
// has no side effects once for the check and once more for the access: "const int i; a[i / 2]". The
// second result is no copy of the first, but it is made by the same operations from the same
// values, so it is the same number. Freestanding.
#pragma once

#include <stdint.h>

#include "trap/x86/flow_analysis.h"

namespace kebound::x86 {

// How a number was calculated: each step's operands are results of other steps, or values that are
// not looked into.
struct IndexFormula {
  static constexpr unsigned kMaxSteps = 16;
  static constexpr unsigned kMaxRead = 5;  // operands, and the registers of an address
  struct Step {
    ValueId result = kAnonymous;
    uint8_t which = 0;     // of the results of its instruction
    bool loads = false;    // from memory that is no variable of the analysis
    Instruction in;        // of mul and div with their operands
    Value read[kMaxRead];  // what they hold; unused ones are anonymous
  };
  uint8_t count = 0;
  Step steps[kMaxSteps];  // the first one has the number itself
};

// Where it is calculated again.
struct IndexAgain {
  static constexpr unsigned kMax = 4;
  struct Result {
    uint64_t at = 0;  // the instruction
    Place place = kNoPlace;
  };
  uint8_t count = 0;
  Result results[kMax];

  [[nodiscard]] bool has(uint64_t at, Place place) const noexcept;
};

// Looks for more calculations of the number with the value `index`, that edge.compare compares, on
// the straight way behind the check: past other checks, up to where the program decides something
// else. `at_compare`: the values there; `formula`: room.
void find_again(FlowAnalysis& flow, const TrapEdge& edge, const FlowState& at_compare,
                ValueId index, IndexFormula& formula, IndexAgain& out) noexcept;

}  // namespace kebound::x86
