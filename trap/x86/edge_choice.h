// SPDX-License-Identifier: Apache-2.0
//
// Which of the branches to a trap was taken, from the registers and flags at the trap.
// Freestanding.
#pragma once

#include <stdint.h>

#include "trap/x86/compare.h"
#include "trap/x86/corrections.h"
#include "trap/x86/trap_site.h"

namespace kebound::x86 {

struct EdgeChoice {
  Doubt doubt = Doubt::None;  // None: it is this one and no other
  uint8_t edge = 0;           // index of the branch
  bool found = false;         // there is one at all
  bool agree = false;         // several, but they compare the same numbers
  CompareResult result;       // of its compare
  uint8_t left_count = 0;     // how many are possible
  uint8_t left[kMaxEdges] = {};
};

// Branches on the flags as they are, whose compare gives just these flags. `code`: room to look at
// the way to each where several are left. Context: anywhere.
void choose_edge(const TrapSite& site, const RecoverySource& source, const Registers& registers,
                 const Corrections& corrections, FunctionCode* code, EdgeChoice& choice) noexcept;

// False if the thread cannot have come to `edge` on any way that leads there: on each an
// instruction gives a register another value than the register has, or a branch goes the other way.
// Context: anywhere.
[[nodiscard]] bool is_feasible(const TrapEdge& edge, const FunctionCode& code,
                               const RecoverySource& source, const Registers& registers,
                               const Corrections& corrections) noexcept;

}  // namespace kebound::x86
