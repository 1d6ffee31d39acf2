// SPDX-License-Identifier: Apache-2.0
//
// A compiler that makes "k < 7" of "k + 3 < 10" lets the access begin three elements behind the
// array: the number 0 is not its first element. One that makes "k < 5" of "2 * k < 10" has elements
// twice as long as the array's. One that needs one check for two arrays accesses both. So where the
// number 0 leads into the first element of an array that has as many elements as the limit says, as
// long as the number is multiplied by, at each access behind the check, the compared number is the
// index of it. docs/recovery.md has the argument.
#include "trap/x86/array_proof.h"

#include "trap/x86/address_sum.h"

namespace kebound::x86 {
namespace {

static_assert(AddressSum::kMax <= LinearForm::kMax);

// Each is a question that may cost a process switch.
constexpr unsigned kMaxQuestions = 4;

// Where an access is: `begin` where all numbers are 0.
struct Place0 {
  uint64_t begin = 0;
  int64_t factor = 0;  // of the compared number
  uint8_t other_count = 0;
  int64_t others[LinearForm::kMax] = {};  // of other numbers
};

// The term is one of the compared number, or of what that was calculated from.
bool add_compared(const AddressSum::Term& term, const IndexCopies& copies, Place0& place) noexcept {
  int64_t divisor = 1;
  int64_t shift = 0;
  if (!copies.is_compared(term.value)) {
    const unsigned link = copies.chain.find(term.value);
    divisor = copies.chain.factors[link];
    shift = copies.chain.sums[link];
  } else if (term.bits < copies.bits) {
    return false;  // another number
  }
  if (term.factor % divisor != 0) return false;
  const int64_t factor = term.factor / divisor;
  place.factor += factor;
  place.begin -= static_cast<uint64_t>(factor) * static_cast<uint64_t>(shift);
  return true;
}

// What `memory` is the address of, as a sum.
bool take_apart(const IndexedMemory& memory, const IndexCopies& copies, FlowAnalysis& flow,
                AddressSum& sum) noexcept {
  const Value parts[2] = {memory.base, memory.index};
  const int64_t factors[2] = {1, memory.scale};
  for (unsigned i = 0; i < 2; ++i) {
    if (parts[i].bits != 0 && !add_to_sum(flow, parts[i], factors[i], copies, sum)) return false;
  }
  const unsigned native = flow.code().native_bits();
  sum.constant += static_cast<uint64_t>(memory.displacement);
  sum.constant &= width_mask(native);
  return true;
}

bool locate(const IndexedMemory& memory, const IndexCopies& copies, FlowAnalysis& flow,
            Place0& place) noexcept {
  AddressSum sum;
  if (!take_apart(memory, copies, flow, sum)) return false;
  place.begin = sum.constant;
  bool by_pointer = false;
  for (unsigned i = 0; i < sum.count; ++i) {
    const AddressSum::Term& term = sum.terms[i];
    if (copies.is_own(term.value)) {
      if (!add_compared(term, copies, place)) return false;
    } else if (term.factor != 0) {
      by_pointer |= term.factor == 1;
      place.others[place.other_count++] = term.factor;
    }
  }
  place.begin &= width_mask(flow.code().native_bits());
  // Code that is not position-independent has addresses as numbers.
  if (!sum.fixed && (by_pointer || !is_address(static_cast<int64_t>(place.begin)))) return false;
  return place.factor > 0;
}

// No pointer has so few bits.
bool is_masked(const FlowAnalysis& flow, ValueId value) noexcept {
  Instruction in;
  uint64_t at = 0;
  return definition(flow, value, in, at) && in.op == Op::And &&
         in.operands[1].kind == OperandKind::Immediate && in.operands[1].immediate >= 0 &&
         !is_address(in.operands[1].immediate);
}

// The sum of the compared number and an element that it is the index of: table[k] + k. If that is a
// pointer, what is checked of it is checked behind the element, and one check of both would not
// have the limit that the element's array has, or fails where that one's does.
bool adds_to_element(FlowAnalysis& flow, ValueId value, const IndexCopies& copies) noexcept {
  Instruction in;
  uint64_t at = 0;
  FlowState state;
  if (!definition(flow, value, in, at) || in.op != Op::Add ||
      in.operands[0].kind != OperandKind::Register || in.operands[1].kind != OperandKind::Memory ||
      in.memory.index == kNoRegister || !flow.state_before(at, state)) {
    return false;
  }
  return copies.is_compared(state.values[in.operands[0].reg & 15].id) &&
         copies.is_compared(state.values[in.memory.index & 15].id);
}

// What is passed on is a sum without an address in it, or with one that is another check's matter.
bool is_number(const IndexedMemory& memory, const IndexCopies& copies,
               FlowAnalysis& flow) noexcept {
  AddressSum sum;
  if (!memory.passed || memory.certain || !take_apart(memory, copies, flow, sum)) return false;
  const unsigned native = flow.code().native_bits();
  if (sum.fixed || is_address(sign_extend(sum.constant, native))) return false;
  for (unsigned i = 0; i < sum.count; ++i) {
    const AddressSum::Term& term = sum.terms[i];
    // What has passed the check is as small as the limit.
    const bool is_small = copies.is_compared(term.value) || is_masked(flow, term.value) ||
                          adds_to_element(flow, term.value, copies);
    if (term.factor == 1 && !is_small) return false;
  }
  return true;
}

// Each of the other numbers is the index of another array around the same byte.
bool are_indices(const Place0& place, const ArrayNest& nest, unsigned own) noexcept {
  unsigned taken = 1u << own;
  for (unsigned i = 0; i < place.other_count; ++i) {
    unsigned level = nest.alternatives();
    while (level < nest.count &&
           ((taken >> level & 1) != 0 ||
            static_cast<int64_t>(nest.levels[level].element_size) != place.others[i])) {
      ++level;
    }
    if (level == nest.count) return false;
    taken |= 1u << level;
  }
  return true;
}

// What lies in one place as one or another array: a shorter element's array, of which the number's
// multiple would be the index, or several elements are accessed at once, has the limit as well.
bool is_multiple(const Place0& place, uint64_t limit, const ArrayLevel& level) noexcept {
  const uint64_t factor = static_cast<uint64_t>(place.factor);
  const uint64_t size = level.count * level.element_size;
  return level.element_size < factor && size / factor <= limit && limit <= size / factor + 1;
}

// `passed`: as an address, of which those of all elements and the one behind them are in bounds.
ArrayVerdict judge(const Place0& place, unsigned bytes, uint64_t limit, bool passed,
                   const ArrayNest& nest) noexcept {
  bool is_nearly = false;
  for (unsigned i = 0; i < nest.alternatives(); ++i) {
    const ArrayLevel& level = nest.levels[i];
    if (passed || !is_multiple(place, limit, level)) continue;
    return level.element_size < bytes ? ArrayVerdict::Contradicted : ArrayVerdict::Unknown;
  }
  for (unsigned i = 0; i < nest.count; ++i) {
    const ArrayLevel& level = nest.levels[i];
    if (level.element_size != static_cast<uint64_t>(place.factor)) continue;
    if (level.offset >= level.element_size) continue;
    if (i < nest.alternatives() && (passed || place.other_count != 0)) continue;
    // All multiples of 0 are the first element: only whole ones tell which array it is of.
    const bool is_whole = limit == 1 ? level.offset == 0 && bytes == level.element_size
                                     : bytes <= level.element_size - level.offset;
    if (is_whole && are_indices(place, nest, i)) {
      if (level.count == limit) return ArrayVerdict::Confirmed;
      const bool to_end = passed && level.offset == 0 && level.count > 1;
      if (to_end && level.count + 1 == limit) return ArrayVerdict::Likely;
    }
    // An index may be equal to the length where the element is not read by it (docs/recovery.md),
    // several elements may be accessed at once, and the other numbers may be offsets in bytes.
    is_nearly |= level.count == limit || level.count + 1 == limit;
  }
  return is_nearly || nest.more_within != 0 ? ArrayVerdict::Unknown : ArrayVerdict::Contradicted;
}

// Another element of the same array, which has a check of its own.
bool is_of_sister(const Place0& place, const Place0& own, const SisterChecks& sisters) noexcept {
  if (!sisters.all || place.factor != own.factor || place.other_count != own.other_count) {
    return false;
  }
  for (unsigned i = 0; i < own.other_count; ++i) {
    if (place.others[i] != own.others[i]) return false;
  }
  const int64_t distance = static_cast<int64_t>(place.begin - own.begin);
  return distance != 0 && distance % own.factor == 0 && sisters.has(distance / own.factor);
}

// Questions, of which there are not many.
class Asking {
 public:
  explicit Asking(const RecoverySource& source) noexcept : lookup_(source.arrays) {}

  // Null: nothing is known.
  const ArrayNest* around(uint64_t address) noexcept {
    if (asked_ == 0 || (last_ != address && !move_to(address))) {
      if (asked_ == kMaxQuestions) return nullptr;
      ++asked_;
      last_ = address;
      if (!lookup_.find(lookup_.self, address, nest_)) nest_ = {};
    }
    return is_known() ? &nest_ : nullptr;
  }

 private:
  [[nodiscard]] bool is_known() const noexcept {
    return nest_.count != 0 && nest_.count <= ArrayNest::kMax;
  }

  // Around the same byte of another element of the innermost array are the same arrays: no question
  // is needed.
  bool move_to(uint64_t address) noexcept {
    if (!is_known()) return false;
    const ArrayLevel& inner = nest_.levels[0];
    if (inner.element_size == 0) return false;
    const int64_t distance = static_cast<int64_t>(address - last_);
    const int64_t size = static_cast<int64_t>(inner.element_size);
    if (distance % size != 0) return false;
    const uint64_t moved = inner.offset + static_cast<uint64_t>(distance);
    if (moved / inner.element_size >= inner.count) return false;
    for (unsigned i = 0; i < nest_.count; ++i) {
      nest_.levels[i].offset += static_cast<uint64_t>(distance);
    }
    last_ = address;
    return true;
  }

  const ArrayLookup& lookup_;
  unsigned asked_ = 0;
  uint64_t last_ = 0;
  ArrayNest nest_;
};

// What moves in step with the number.
ArrayVerdict judge_step(const AccessForm& form, uint64_t limit, const RecoverySource& source,
                        Asking& asking) noexcept {
  Place0 place;
  if (!form.placed || form.bytes == 0 || form.factor <= 0) return ArrayVerdict::Unknown;
  const unsigned native = source.mode == CodeMode::Bits64 ? 64 : 32;
  place.begin = form.place & width_mask(native);
  place.factor = form.factor;
  for (unsigned i = 0; i < form.other_count; ++i) {
    place.others[place.other_count++] = form.others[i];
  }
  const ArrayNest* const nest = asking.around(place.begin);
  return nest == nullptr ? ArrayVerdict::Unknown : judge(place, form.bytes, limit, false, *nest);
}

}  // namespace

ArrayVerdict judge_by_arrays(const UseRoom& uses, const IndexCopies& copies,
                             const BoundShape& shape, const SisterChecks& sisters, bool followed,
                             const RecoverySource& source, FlowAnalysis& flow) noexcept {
  if (source.arrays.find == nullptr || shape.limit != BoundShape::Limit::Constant) {
    return ArrayVerdict::Unknown;
  }
  Asking asking(source);
  ArrayVerdict verdicts[UseRoom::kMaxForms] = {};
  Place0 own;  // of an access that is confirmed
  for (unsigned i = 0; i < uses.memory_count; ++i) {
    const IndexedMemory& memory = uses.memory[i];
    Place0 place;
    const ArrayNest* nest = nullptr;
    if (memory.bytes != 0 && locate(memory, copies, flow, place)) {
      nest = asking.around(place.begin);
    }
    if (nest == nullptr) continue;
    verdicts[i] = judge(place, memory.bytes, shape.greatest + 1, memory.passed, *nest);
    const bool is_own = memory.passed ? verdicts[i] == ArrayVerdict::Likely && memory.certain
                                      : verdicts[i] == ArrayVerdict::Confirmed;
    if (is_own && own.factor == 0) own = place;
  }
  bool steps = false;
  for (unsigned i = 0; i < uses.form_count; ++i) steps |= uses.forms[i].in_step;
  bool is_doubtful = false;
  bool confirmed = followed && !uses.more_forms && !uses.more_memory && !uses.more_steps &&
                   (own.factor != 0 || (steps && uses.memory_count == 0));
  for (unsigned i = 0; i < uses.memory_count; ++i) {
    Place0 place;
    if (verdicts[i] == ArrayVerdict::Likely) {
      is_doubtful = true;
      continue;
    }
    if (own.factor != 0 && verdicts[i] != ArrayVerdict::Confirmed &&
        locate(uses.memory[i], copies, flow, place) && is_of_sister(place, own, sisters)) {
      is_doubtful = true;
      continue;
    }
    // Of another array, whose length the number is compared with as well.
    if (verdicts[i] == ArrayVerdict::Contradicted && own.factor != 0 && sisters.has(0)) {
      is_doubtful = true;
      continue;
    }
    if (verdicts[i] == ArrayVerdict::Contradicted) return verdicts[i];
    confirmed &= verdicts[i] == ArrayVerdict::Confirmed || is_number(uses.memory[i], copies, flow);
  }
  for (unsigned i = 0; i < uses.form_count; ++i) {
    if (!uses.forms[i].in_step) continue;
    const ArrayVerdict verdict = judge_step(uses.forms[i], shape.greatest + 1, source, asking);
    if (verdict == ArrayVerdict::Contradicted) return verdict;
    confirmed &= verdict == ArrayVerdict::Confirmed;
  }
  if (!confirmed) return ArrayVerdict::Unknown;
  return is_doubtful ? ArrayVerdict::Likely : ArrayVerdict::Confirmed;
}

bool is_step_of_another(const UseRoom& uses, const BoundShape& shape,
                        const RecoverySource& source) noexcept {
  if (source.arrays.find == nullptr || shape.limit != BoundShape::Limit::Constant) return false;
  Asking asking(source);
  bool another = false;
  for (unsigned i = 0; i < uses.form_count; ++i) {
    const AccessForm& form = uses.forms[i];
    if (!form.in_step || form.loose || form.proof < IndexProof::Structure) continue;
    if (judge_step(form, shape.greatest + 1, source, asking) != ArrayVerdict::Contradicted) {
      return false;
    }
    another = true;
  }
  return another;
}

}  // namespace kebound::x86
