// SPDX-License-Identifier: Apache-2.0
//
// The index by the array that it belongs to, where the code alone leaves open whether the compared
// number is it. Freestanding.
#pragma once

#include "trap/x86/check_recovery.h"
#include "trap/x86/compare.h"
#include "trap/x86/index_use.h"

namespace kebound::x86 {

// True if everything that is accessed by the number that the check compared, behind it, is the
// element with that number of an array, and the limit is the array's length. `uses`: of a check
// whose index could be followed everywhere.
[[nodiscard]] bool is_index_by_array(const UseRoom& uses, const BoundShape& shape,
                                     const RecoverySource& source) noexcept;

}  // namespace kebound::x86
