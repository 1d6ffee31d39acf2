// SPDX-License-Identifier: Apache-2.0
//
// Whether a compiler may have made the compare of a check from one of another number, by what else
// is made of the compared one: k / 2 < 3 becomes k < 6, and 2 * k < 10 becomes k < 5, with gcc as
// well. Freestanding.
#pragma once

#include "trap/x86/check_judgement.h"

namespace kebound::x86 {

// `site` has proof, factor and range. `is_ud1`: the check's trap, and so the compiler.
[[nodiscard]] bool may_be_folded(const CheckView& view, const CheckSite& site, bool is_ud1,
                                 FlowAnalysis& flow) noexcept;

}  // namespace kebound::x86
