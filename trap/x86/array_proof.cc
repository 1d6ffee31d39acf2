// SPDX-License-Identifier: Apache-2.0
//
// A compiler that makes "k < 7" of "k + 3 < 10" lets the access begin three elements behind the
// array: no array of seven begins there. One that makes "k < 5" of "2 * k < 10" has elements twice
// as long as the array's. One that needs one check for two arrays accesses both. So where each
// access begins at an array that has as many elements as the limit says, of the size that the
// access has, the compared number is the index of it. An address that is calculated may be that of
// an element that is accessed elsewhere: nothing is confirmed then.
#include "trap/x86/array_proof.h"

namespace kebound::x86 {
namespace {

// Each is a question that may cost a process switch.
constexpr unsigned kMaxArrays = 2;

ArrayVerdict judge(const AccessForm& form, uint64_t limit, const RecoverySource& source) noexcept {
  if (!form.constant || form.proof != IndexProof::Element || form.bytes == 0 ||
      form.factor != form.bytes) {
    return ArrayVerdict::Unknown;
  }
  const unsigned native = source.mode == CodeMode::Bits64 ? 64 : 32;
  const uint64_t begin = (form.base + static_cast<uint64_t>(form.offset)) & width_mask(native);
  ArrayType array;
  if (!source.arrays.find(source.arrays.self, begin, array)) return ArrayVerdict::Unknown;
  if (array.element_size != form.bytes) return ArrayVerdict::Contradicted;
  if (array.count == limit) return ArrayVerdict::Confirmed;
  // An index may be equal to the length where the element is not read by it (docs/recovery.md).
  return array.count + 1 == limit ? ArrayVerdict::Unknown : ArrayVerdict::Contradicted;
}

}  // namespace

ArrayVerdict judge_by_arrays(const UseRoom& uses, const BoundShape& shape, bool followed,
                             const RecoverySource& source) noexcept {
  if (source.arrays.find == nullptr || shape.limit != BoundShape::Limit::Constant) {
    return ArrayVerdict::Unknown;
  }
  bool confirmed = followed && !uses.more_forms && !uses.makes_address && uses.form_count != 0;
  for (unsigned i = 0; i < uses.form_count; ++i) {
    const ArrayVerdict verdict =
        i < kMaxArrays ? judge(uses.forms[i], shape.greatest + 1, source) : ArrayVerdict::Unknown;
    if (verdict == ArrayVerdict::Contradicted) return verdict;
    confirmed &= verdict == ArrayVerdict::Confirmed;
  }
  return confirmed ? ArrayVerdict::Confirmed : ArrayVerdict::Unknown;
}

bool is_step_of_another(const UseRoom& uses, const BoundShape& shape,
                        const RecoverySource& source) noexcept {
  if (source.arrays.find == nullptr || shape.limit != BoundShape::Limit::Constant) return false;
  unsigned asked = 0;
  bool another = false;
  for (unsigned i = 0; i < uses.form_count; ++i) {
    if (!uses.forms[i].in_step || uses.forms[i].proof < IndexProof::Structure) continue;
    if (asked++ == kMaxArrays) return false;
    if (judge(uses.forms[i], shape.greatest + 1, source) != ArrayVerdict::Contradicted) {
      return false;
    }
    another = true;
  }
  return another;
}

}  // namespace kebound::x86
