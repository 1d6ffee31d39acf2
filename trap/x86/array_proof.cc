// SPDX-License-Identifier: Apache-2.0
//
// A compiler that makes "k < 7" of "k + 3 < 10" lets the access begin three elements behind the
// array: no array of seven begins there. One that makes "k < 5" of "2 * k < 10" has elements twice
// as long as the array's. One that needs one check for two arrays accesses both. So where each
// access begins at an array that has as many elements as the limit says, of the size that the
// access has, the compared number is the index of it.
#include "trap/x86/array_proof.h"

namespace kebound::x86 {
namespace {

// Each is a question that may cost a process switch.
constexpr unsigned kMaxArrays = 2;

bool is_whole_array(const AccessForm& form, uint64_t count, const RecoverySource& source) noexcept {
  if (!form.constant || form.proof != IndexProof::Element || form.bytes == 0) return false;
  if (form.factor != form.bytes) return false;
  const unsigned native = source.mode == CodeMode::Bits64 ? 64 : 32;
  const uint64_t begin = (form.base + static_cast<uint64_t>(form.offset)) & width_mask(native);
  ArrayType array;
  return source.arrays.find(source.arrays.self, begin, array) && array.count == count &&
         array.element_size == form.bytes;
}

}  // namespace

bool is_index_by_array(const UseRoom& uses, const BoundShape& shape,
                       const RecoverySource& source) noexcept {
  if (source.arrays.find == nullptr || shape.limit != BoundShape::Limit::Constant) return false;
  if (uses.more_forms || uses.form_count == 0 || uses.form_count > kMaxArrays) return false;
  // An address that is calculated may be that of an element that is accessed elsewhere.
  if (uses.makes_address) return false;
  for (unsigned i = 0; i < uses.form_count; ++i) {
    if (!is_whole_array(uses.forms[i], shape.greatest + 1, source)) return false;
  }
  return true;
}

}  // namespace kebound::x86
