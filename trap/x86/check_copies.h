// SPDX-License-Identifier: Apache-2.0
//
// Where else the compared number is kept, and which of these places are to be corrected so that the
// check may be executed again. docs/recovery.md, "Resuming". Freestanding.
#pragma once

#include "trap/x86/check_site.h"
#include "trap/x86/index_use.h"

namespace kebound::x86 {

// What lies between compare and branch may be executed a second time.
[[nodiscard]] bool is_repeatable(const TrapEdge& edge, const FunctionCode& code) noexcept;

// `place` as it is at the trap. `bits`: of the compare, which knows no more of it.
[[nodiscard]] StaticPlace static_place(Place place, const FlowState& state, const SlotTable& slots,
                                       unsigned bits) noexcept;

// The places that have the checked value, `operand` first.
void find_copies(Place operand, unsigned bits, const FlowState& state, const SlotTable& slots,
                 IndexCopies& copies) noexcept;

// A bit for each copy that is to be corrected; 0 and the doubt if there is no such choice.
[[nodiscard]] uint16_t choose_copies(const IndexUses& uses, const IndexCopies& copies,
                                     Doubt& doubt) noexcept;

}  // namespace kebound::x86
