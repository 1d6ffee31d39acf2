// SPDX-License-Identifier: Apache-2.0
//
// The index by the array that it belongs to, where the code alone leaves open whether the compared
// number is it. Freestanding.
#pragma once

#include "trap/x86/check_recovery.h"
#include "trap/x86/compare.h"
#include "trap/x86/index_use.h"

namespace kebound::x86 {

enum class ArrayVerdict : uint8_t {
  Unknown,    // nothing is known of what is accessed, or not of all of it
  Confirmed,  // the compared number is the index
  // As well, but a neighbour has a check of its own, which may be the source's first; or all that
  // is seen is that an element's address is passed on.
  Likely,
  Contradicted  // where the number 0 leads are arrays, and the one that has the limit is none
};

// Whether everything that is accessed by the number that the check compared, behind it, lies in the
// element with that number of an array, and the limit is the array's length. `followed`: the number
// was, everywhere, and nothing else that it was made from may be an address. `sisters` guard
// accesses of their own.
[[nodiscard]] ArrayVerdict judge_by_arrays(const UseRoom& uses, const IndexCopies& copies,
                                           const BoundShape& shape, const SisterChecks& sisters,
                                           bool followed, const RecoverySource& source,
                                           FlowAnalysis& flow) noexcept;

// Of what moves in step with the number that was compared: all of it that lies at a known place is
// in arrays of another length or of other elements. For checks that no compiler folds.
[[nodiscard]] bool is_step_of_another(const UseRoom& uses, const BoundShape& shape,
                                      const RecoverySource& source) noexcept;

}  // namespace kebound::x86
