// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/check_judgement.h"

#include "trap/x86/array_proof.h"
#include "trap/x86/check_copies.h"
#include "trap/x86/flow_stores.h"
#include "trap/x86/index_range.h"

namespace kebound::x86 {
namespace {

// Without optimization, clang keeps the index in a variable of its own over the check and reads it
// from there, though the compared register still has it.
bool is_unoptimized(Place operand, const IndexCopies& copies, const IndexUses& uses,
                    const SlotTable& slots) noexcept {
  if (operand >= kFirstSlot || (uses.address & (kRelated - 1)) == 0) return false;
  for (unsigned i = 0; i < copies.count; ++i) {
    if ((uses.address >> i & 1) == 0) continue;
    const Place place = copies.places[i];
    if (place < kFirstSlot || slots.slots[place - kFirstSlot].base != Rbp) return false;
  }
  return true;
}

// The elements that are accessed are an even number of those that are read or written apart.
bool is_even_multiple(const FlowAnalysis& flow, const CheckSite& site) noexcept {
  Instruction in;
  if (!flow.code().decode(site.access, in)) return true;
  const int32_t bytes = site.proof == IndexProof::Address ? 1 : accessed_bytes(in);
  return bytes == 0 || site.factor % bytes != 0 || site.factor / bytes % 2 == 0;
}

// A place that has `value`, all of it, and keeps it until the trap.
bool find_quotient(ValueId value, uint32_t written, unsigned bits, const FlowState& state,
                   const SlotTable& slots, CheckSite& site, Place& found) noexcept {
  const unsigned places = kFirstSlot + slots.count;
  for (unsigned i = 0; i < places; ++i) {
    const Place place = static_cast<Place>(i);
    if (state.values[i].id != value || state.values[i].bits < bits) continue;
    if (place < kFirstSlot && (written >> place & 1) != 0) continue;
    if (place >= kFirstSlot) {
      const Slot& slot = slots.slots[place - kFirstSlot];
      if (!on_stack(slot) || slot.generation != state.rsp_generation) continue;
      if ((written & register_bit(slot.base)) != 0) continue;
    }
    site.quotient = static_place(place, state, slots, bits);
    found = place;
    return true;
  }
  return false;
}

// clang's local-bounds takes one number out of what passes by a second branch to the trap right
// behind the first: cmp $10,%edx; ja; cmp $2,%cl; je. The limit is not that of the array then.
bool is_split(const FlowAnalysis& flow, const TrapEdge& edge) noexcept {
  constexpr unsigned kMost = 3;
  Instruction in;
  if (!flow.code().decode(edge.branch, in) || edge.condition != in.condition) return false;
  const uint64_t trap = in.target;
  uint64_t at = edge.branch + in.length;
  for (unsigned i = 0; i < kMost && flow.code().decode(at, in) && in.falls_through; ++i) {
    if (in.op == Op::Jcc) return in.condition == kEqual && in.target == trap;
    at += in.length;
  }
  return false;
}

// What the accesses behind the check say, beyond what they say of the compared number alone.
// `by_arrays`: one that proves something only if the arrays say so; otherwise null.
void judge_accesses(const CheckView& view, FlowAnalysis& flow, CheckSite& site, Place& ranged,
                    const AccessForm*& by_arrays) noexcept {
  const TrapEdge& edge = view.edge;
  UseRoom& uses = view.accesses;
  const IndexCopies& copies = view.copies;
  const FlowState& state = view.state;
  const unsigned bits = view.compare.operands[0].bits;
  const bool is_ud1 = view.trap == Op::Ud1;
  const SisterChecks& sisters = view.sisters;
  const IndexChain& chain = copies.chain;
  const unsigned native = flow.code().native_bits();
  // Of 3 * (k - 8) + 1 nothing is left to be seen in 3 * (k - 8).
  site.computed = chain.count != 0 && chain.sums[0] != 0 && bits == native &&
                  state.values[view.operand].bits == native;
  const AccessForm* own = own_form(uses, sisters, IndexProof::Structure);
  // Or it is what is not followed: many[2 * k], where 2 * k was there before, beside bytes[k + 3].
  const bool is_plain =
      own != nullptr && own->proof == IndexProof::Element && own->offset == 0 && !own->in_step;
  site.unlinear = uses.unlinear || (uses.related_access && !is_plain);
  // An element whose address is passed on may be the one that was checked.
  unsigned passed = 0;
  for (unsigned i = 0; i < uses.memory_count; ++i) passed += uses.memory[i].certain;
  site.merged = passed > 1 || (passed != 0 && uses.form_count != 0) ||
                (site.proof == IndexProof::Address && uses.more_forms) ||
                (!is_ud1 && is_split(flow, edge));
  for (unsigned i = 0; i < uses.form_count; ++i) {
    site.merged |= own == nullptr && uses.forms[i].proof >= IndexProof::Structure;
  }
  site.in_step = uses.in_step || uses.beside;
  // gcc divides both sides of 2 * k < 10 where k is not negative, as a counter is.
  const bool may_be_multiple =
      own != nullptr && own->in_step && (own->proof != IndexProof::Element || own->loose);
  if (may_be_multiple && site.proof < IndexProof::Structure) {
    if (site.proof == IndexProof::None) by_arrays = own;
    return;
  }
  if (own != nullptr) {
    site.by_step = own->in_step && site.proof < IndexProof::Structure;
    if (site.proof < IndexProof::Structure) {
      site.displaced = own->offset != 0;
      site.factor = own->factor;
    }
    if (site.proof < own->proof) site.proof = own->proof;
    site.access = own->access;
    leave_out_sisters(uses, sisters, *own);
    site.in_step = uses.more_steps || uses.beside;
    for (unsigned i = 0; i < uses.form_count; ++i) site.in_step |= uses.forms[i].in_step;
    return;
  }
  // clang's -fsanitize=local-bounds compares the offset in bytes.
  own = own_form(uses, sisters, IndexProof::Bytes);
  if (is_ud1 || site.merged || own == nullptr || own->factor != 1 || own->bytes < 2) return;
  for (unsigned i = 0; i < chain.count; ++i) {
    if (chain.factors[i] != own->bytes || chain.sums[i] != 0) continue;
    if (!find_quotient(chain.values[i], edge.written, bits, state, flow.room().slots, site,
                       ranged)) {
      return;
    }
    site.divisor = own->bytes;
    site.proof = IndexProof::Element;
    site.displaced = own->offset != 0;
    site.access = own->access;
    site.factor = own->bytes;
    break;
  }
}

// How the program reads the index.
struct Signs {
  bool is_signed = false;
  bool is_unsigned = false;
};

Signs read_width(const CheckView& view, CheckSite& site) noexcept {
  const IndexUses& uses = view.uses;
  const Value& compared = view.state.values[view.operand];
  // An int that is known to be compared with a positive number only may be zero-extended: what was
  // -1 is compared as 4294967295.
  site.index_bits = view.compare.operands[0].bits;
  if (site.index_bits == 64 && compared.bits == 32 && compared.rest == Rest::Zero) {
    site.index_bits = 32;
  }
  // A signed char was compared as an unsigned one, which does as well.
  if (compared.rest == Rest::Zero && compared.bits != 0 && compared.bits < site.index_bits &&
      uses.read_signed && !uses.read_unsigned) {
    site.index_bits = compared.bits;
  }
  Signs signs = {uses.read_signed, uses.read_unsigned};
  for (unsigned i = 0; i < view.copies.count; ++i) {
    const Value& copy = view.state.values[view.copies.places[i]];
    if (copy.bits != site.index_bits) continue;
    signs.is_unsigned |= copy.rest == Rest::Zero;
    signs.is_signed |= copy.rest == Rest::Sign || copy.rest == Rest::SignTo32;
  }
  site.read_unsigned = signs.is_unsigned && !signs.is_signed;
  return signs;
}

// What a compiler may have known about the number at `ranged`, by the code.
NumberRange judge_range(const CheckView& view, const Signs& signs, FlowAnalysis& flow, Place ranged,
                        CheckSite& site) noexcept {
  const bool native64 = flow.code().mode() == CodeMode::Bits64;
  const uint8_t bits = view.compare.operands[0].bits;
  const Value& compared = view.state.values[view.operand];
  const NumberRange number = index_range(flow, view.edge.compare, view.trap, view.state, ranged);
  site.range = number.range;
  // An int that is sign-extended behind the check, see index_range.
  const bool is_int = native64 && bits == 32 && signs.is_signed && !signs.is_unsigned;
  if ((site.range == IndexRange::Given || site.range == IndexRange::Stored) &&
      (is_int || site.unfolded)) {
    site.range = IndexRange::Unknown;
  }
  // Of what is even, "k + 1 < 10" is "k < 10": clang leaves bits out that make no difference.
  const bool is_even =
      site.shape.limit == BoundShape::Limit::Constant && site.shape.greatest % 2 != 0;
  if (is_even && site.displaced && may_know_low_bits(flow, view.copies.value)) {
    site.computed = false;
    if (site.range <= kLastPerhaps) site.range = IndexRange::Known;
  }
  // What has fewer bits than an int is calculated with as one.
  if (bits < 32 && site.range <= kLastPerhaps) site.range = IndexRange::Known;
  // As a size_t, an unsigned int has a range: "u + 3ul < 10" is "u < 7", and "2ul * u < 10" is
  // "u < 5".
  const bool is_widened =
      native64 && (bits == 32 || (compared.bits == 32 && compared.rest == Rest::Zero));
  if (is_widened && site.range <= kLastPerhaps) {
    if (site.proof == IndexProof::Element && site.displaced) {
      site.range = IndexRange::Known;
    } else if (!is_int && site.proof != IndexProof::Element) {
      site.range = IndexRange::Widened;
    }
  }
  return number;
}

// What the arrays say that are accessed, where the code leaves it open.
void judge_arrays(const CheckView& view, const RecoverySource& source, FlowAnalysis& flow,
                  const AccessForm* only, CheckSite& site) noexcept {
  if (site.unoptimized || site.divisor != 1) return;
  if (only == nullptr && site.proof < IndexProof::Address) return;
  if (view.trap != Op::Ud1 && site.by_step) {
    site.another_array = is_step_of_another(view.accesses, site.shape, source);
    return;
  }
  // What was calculated before the check may be an element's address, too.
  const bool is_followed = !view.accesses.more_steps && view.use_doubt == Doubt::None &&
                           !view.uses.lost && view.copies.all && !view.accesses.related_address;
  const ArrayVerdict verdict = judge_by_arrays(view.accesses, view.copies, site.shape, view.sisters,
                                               is_followed, source, flow);
  const bool is_ud1 = view.trap == Op::Ud1;
  if (only != nullptr) {
    if (verdict != ArrayVerdict::Confirmed) return;
    site.by_step = true;
    site.proof = only->proof;
    site.factor = only->factor;
    site.access = only->access;
  }
  // A ud2 may be a condition of the program's own.
  site.likely_by_array =
      verdict == ArrayVerdict::Likely || (!is_ud1 && verdict == ArrayVerdict::Confirmed);
  site.another_array = verdict == ArrayVerdict::Contradicted;
  if (!is_ud1) return;
  site.by_array = verdict == ArrayVerdict::Confirmed;
  const bool asks = site.range != IndexRange::Unknown && site.range != IndexRange::Counted;
  if (!asks) return;
  // Of table[k + 3] and other[k] the first may have been the one that was checked.
  site.displaced |= view.accesses.displaced_address;
  for (unsigned i = 0; i < view.accesses.form_count; ++i) {
    site.displaced |= view.accesses.forms[i].offset != 0;
  }
}

// Compilers optimize checks as they optimize code: the compare may be of k with 7 where the source
// has k + 3 and 10, or of k with 5 where it has 2 * k. The access shows it, by a displacement or by
// a factor that is not the size of an element; but so do members of structures. Where the compiler
// had what it needs for that, it is not known which of both is the case. A quotient needs no range:
// k / 8 < 3 is k < 24. gcc folds quotients, and multiples by powers of two, but no sums. `folds`:
// the check is one whose sums are folded as well.
Confidence confidence_by(const CheckSite& site, bool folds) noexcept {
  if (site.unlinear && !site.unoptimized) return Confidence::Unknown;
  if (folds && site.merged && !site.unoptimized && !site.by_array) return Confidence::Unknown;
  if (site.divisor != 1 && (site.merged || site.displaced)) return Confidence::Unknown;
  if (site.another_array && !site.unoptimized) return Confidence::Unknown;
  if (site.by_array) return Confidence::Certain;
  // 8 * k < 7 is k < 1, whatever k is: no product of that is left in the access.
  if (site.only_zero && !site.unoptimized) {
    return site.likely_by_array ? Confidence::Likely : Confidence::Unknown;
  }
  // Of what moves in step with the number, where it begins is not in the code: p runs from table +
  // 3 for table[k + 3]. A compiler that asks whether the number is the limit may as well count
  // something else up to another one. A limit that nothing was moved to is one of the number
  // itself.
  const bool is_own_limit = site.unfolded && site.proof == IndexProof::Element && !site.displaced;
  if (site.shape.equal) return is_own_limit ? Confidence::Likely : Confidence::Unknown;
  // Without optimization nobody has looked at the callers.
  const bool counts = folds || site.proof != IndexProof::Element;
  const bool perhaps = site.range <= kLastPerhaps && counts && !site.unoptimized;
  const bool ranged = site.range != IndexRange::Unknown && (perhaps || site.range > kLastPerhaps);
  const bool begins_anywhere = site.in_step && !site.unoptimized && (ranged || site.by_step);
  if (folds && begins_anywhere && !is_own_limit) return Confidence::Unknown;
  // k < 2 is k < 1 where k is even.
  if (folds && site.skips && !site.unoptimized && !site.unfolded) return Confidence::Unknown;
  if (site.by_step) {
    const bool is_element = site.proof == IndexProof::Element || site.likely_by_array;
    return is_element ? Confidence::Likely : Confidence::Unknown;
  }
  const bool plain = site.proof == IndexProof::Element && !site.displaced;
  switch (site.proof) {
    case IndexProof::Element:
    case IndexProof::Structure:
      if (site.unoptimized) return Confidence::Certain;
      // The program itself may have said something about the number, without any code.
      if (!ranged) {
        const bool doubtful = folds ? site.by_facts : site.range == IndexRange::Widened;
        return doubtful && !plain ? Confidence::Likely : Confidence::Certain;
      }
      if (plain) {
        return site.range == IndexRange::Counted ? Confidence::Likely : Confidence::Certain;
      }
      // In a loop, clang may count something else for it and take the constant off again.
      if (site.proof == IndexProof::Element && site.computed &&
          !(folds && site.range == IndexRange::Counted)) {
        return Confidence::Certain;
      }
      if (site.likely_by_array) return Confidence::Likely;
      if (folds) return Confidence::Unknown;
      return site.proof == IndexProof::Structure && site.even ? Confidence::Unknown
                                                              : Confidence::Likely;
    case IndexProof::Address:
      if (site.likely_by_array) return Confidence::Likely;
      return ranged && (folds || site.even) && !site.unoptimized ? Confidence::Unknown
                                                                 : Confidence::Likely;
    case IndexProof::None:
    case IndexProof::Pointer:
    case IndexProof::Bytes:
      break;
  }
  return Confidence::Unknown;
}

// Asks about the function where that makes a difference.
void judge_by_facts(const CheckView& view, const RecoverySource& source, const FlowAnalysis& flow,
                    const NumberRange& number, CheckSite& site) noexcept {
  const bool is_ud1 = view.trap == Op::Ud1;
  const Confidence folded = confidence_by(site, true);
  const bool perhaps = site.range == number.range &&
                       (site.range == IndexRange::Given || site.range == IndexRange::Stored);
  const IndexRange range = site.range;
  site.range = IndexRange::Unknown;
  const bool by_range = perhaps && confidence_by(site, true) != folded;
  site.range = range;
  // Of 4 * k + 1 <= 10 nobody can tell from the code that 10 does not pass.
  const IndexChain& chain = view.copies.chain;
  const int factor = chain.count != 0 ? chain.factors[chain.count - 1] : 1;
  const bool is_multiple = site.divisor == 1 && factor != 1 && factor != -1;
  const bool by_compiler = !is_ud1 && (is_multiple || confidence_by(site, false) != folded);
  FunctionFacts facts;
  if ((!by_range && !by_compiler) || source.facts.find == nullptr ||
      !source.facts.find(source.facts.self, flow.code().range().begin, facts)) {
    return;
  }
  site.folds = !is_ud1 && folds_checks(facts);
  site.merged |= site.folds && is_multiple;
  const unsigned native = flow.code().native_bits();
  if (perhaps && view.compare.operands[0].bits == native && is_unknown_by(facts, number, native)) {
    site.range = IndexRange::Unknown;
    site.by_facts = true;
  }
}

}  // namespace

void judge_check(const CheckView& view, const RecoverySource& source, FlowAnalysis& flow,
                 CheckSite& site) noexcept {
  const IndexUses& uses = view.uses;
  site.proof = uses.proof;
  site.displaced = uses.displaced;
  site.access = uses.access;
  site.factor = uses.factor;
  site.only_zero = site.shape.limit == BoundShape::Limit::Constant && site.shape.greatest == 0;
  const Signs signs = read_width(view, site);
  Place ranged = view.operand;
  const AccessForm* by_arrays = nullptr;
  judge_accesses(view, flow, site, ranged, by_arrays);
  site.unfolded = is_limit_unfolded(flow, view.compare, site.shape, view.state);
  const NumberRange number = judge_range(view, signs, flow, ranged, site);
  const SlotTable& slots = flow.room().slots;
  site.unoptimized = is_unoptimized(view.operand, view.copies, uses, slots) ||
                     jumps_over_a_jump(view.edge, flow.code());
  site.even = is_even_multiple(flow, site);
  judge_arrays(view, source, flow, by_arrays, site);
  judge_by_facts(view, source, flow, number, site);
}

Confidence static_confidence(const CheckSite& site, bool clang) noexcept {
  return confidence_by(site, clang || site.folds);
}

bool is_bounds_check(const CheckSite& site, bool clang) noexcept {
  // What is accessed by a multiple of the number, if not by the number.
  const bool accesses = site.proof >= IndexProof::Structure && !site.another_array;
  return accesses || confidence_by(site, clang) != Confidence::Unknown;
}

Doubt static_doubt(const CheckSite& site) noexcept {
  if (site.proof != IndexProof::None && site.proof != IndexProof::Pointer) return Doubt::Scaled;
  if (site.proof == IndexProof::None && site.resume_doubt != Doubt::None) return site.resume_doubt;
  return Doubt::NotABoundsCheck;
}

}  // namespace kebound::x86
