// SPDX-License-Identifier: Apache-2.0
//
// Accesses behind a check whose address was not calculated from the index, but follows from it all
// the same: compilers keep an address in a loop that moves in step with the counter. Freestanding.
#pragma once

#include "trap/x86/index_use.h"
#include "trap/x86/linear_form.h"

namespace kebound::x86 {

// Adds to `uses`, which are those of the check of `edge`, the accesses that only the passed check
// leads to and that move in step with what it compared: `index`, at the compare. What
// another check compared, and is then used to address memory, is that check's matter.
void note_steps(FlowAnalysis& flow, const LinearForms& forms, const TrapEdge& edge,
                const BoundShape& shape, const LinearForm& index, const SisterChecks& sisters,
                UseRoom& uses) noexcept;

}  // namespace kebound::x86
