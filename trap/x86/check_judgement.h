// SPDX-License-Identifier: Apache-2.0
//
// Whether the number that a check compared is the index, by what the code, and who else can be
// asked, says of the accesses behind it. docs/recovery.md, "Which number is the index".
// Freestanding.
#pragma once

#include "trap/x86/check_site.h"
#include "trap/x86/index_use.h"

namespace kebound::x86 {

// A check and what was found out about the number that it compares.
struct CheckView {
  const TrapEdge& edge;
  const Instruction& compare;
  const FlowState& state;  // right before the compare
  Place operand;           // the compared one
  const IndexCopies& copies;
  const IndexUses& uses;
  UseRoom& accesses;
  Op trap;  // what its trap is
  const SisterChecks& sisters;
  Doubt use_doubt;  // why `uses` may not be all
};

// Fills all of `site` that static_confidence() and the values of the index depend on; site.shape is
// that of the compare.
void judge_check(const CheckView& view, const RecoverySource& source, FlowAnalysis& flow,
                 CheckSite& site) noexcept;

}  // namespace kebound::x86
