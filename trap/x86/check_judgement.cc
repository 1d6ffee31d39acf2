// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/check_judgement.h"

#include "trap/x86/array_proof.h"
#include "trap/x86/check_copies.h"
#include "trap/x86/flow_stores.h"
#include "trap/x86/folded_check.h"
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

// What the accesses behind the check say, beyond what they say of the compared number alone.
// True if the check's trap is a ud1.
bool judge_accesses(const CheckView& view, FlowAnalysis& flow, CheckSite& site,
                    Place& ranged) noexcept {
  const TrapEdge& edge = view.edge;
  const UseRoom& uses = view.accesses;
  const IndexCopies& copies = view.copies;
  const FlowState& state = view.state;
  const unsigned bits = view.compare.operands[0].bits;
  Instruction branch;
  Instruction trap;
  if (!flow.code().decode(edge.branch, branch)) return false;
  const uint64_t leads_to =
      edge.condition == branch.condition ? branch.target : edge.branch + branch.length;
  if (!flow.code().decode_anywhere(leads_to, trap)) trap = {};
  const bool is_ud1 = trap.op == Op::Ud1;
  SisterChecks sisters;
  find_sisters(flow, edge.compare, trap.op, copies.value, sisters);
  const IndexChain& chain = copies.chain;
  const unsigned native = flow.code().mode() == CodeMode::Bits64 ? 64 : 32;
  // Of 3 * (k - 8) + 1 nothing is left to be seen in 3 * (k - 8).
  site.computed = chain.count != 0 && chain.sums[0] != 0 && bits == native &&
                  state.values[view.operand].bits == native;
  const AccessForm* own = own_form(uses, sisters, IndexProof::Structure);
  for (unsigned i = 0; i < uses.form_count; ++i) {
    site.merged |= own == nullptr && uses.forms[i].proof >= IndexProof::Structure;
  }
  if (own != nullptr) {
    if (site.proof < IndexProof::Structure) {
      site.displaced = own->offset != 0;
      site.factor = own->factor;
    }
    if (site.proof < own->proof) site.proof = own->proof;
    site.access = own->access;
    return is_ud1;
  }
  // clang's -fsanitize=local-bounds compares the offset in bytes.
  own = own_form(uses, sisters, IndexProof::Bytes);
  if (is_ud1 || site.merged || own == nullptr || own->factor != 1 || own->bytes < 2) {
    return is_ud1;
  }
  for (unsigned i = 0; i < chain.count; ++i) {
    if (chain.factors[i] != own->bytes || chain.sums[i] != 0) continue;
    if (!find_quotient(chain.values[i], edge.written, bits, state, flow.room().slots, site,
                       ranged)) {
      return is_ud1;
    }
    site.divisor = own->bytes;
    site.proof = IndexProof::Element;
    site.displaced = own->offset != 0;
    site.access = own->access;
    site.factor = own->bytes;
    break;
  }
  return is_ud1;
}

// To fold k + 3 < m + 3, or 2 * k < 2 * m, into k < m, a compiler must know that m leaves room for
// it; of what was read from memory as it is, or is the quotient of a difference, it does not.
bool is_limit_unfolded(FlowAnalysis& flow, const Instruction& compare, const BoundShape& shape,
                       const FlowState& state) noexcept {
  const unsigned native = flow.code().mode() == CodeMode::Bits64 ? 64 : 32;
  if (shape.limit != BoundShape::Limit::Operand || compare.operands[0].bits != native) return false;
  const Operand& limit = compare.operands[shape.limit_operand];
  const bool stack = limit.base == Rsp || limit.base == Rbp;  // a parameter, or a spilled one
  if (limit.kind == OperandKind::Memory) return !stack;
  const Place place = place_of(limit, state, flow.room().slots, false);
  if (place == kNoPlace || state.values[place].bits != native) return false;
  Instruction in;
  uint64_t at = 0;
  if (!definition(flow, state.values[place].id, in, at)) return false;
  if (in.operands[0].bits != native) return false;
  const bool loads = in.op == Op::Mov && in.operands[1].kind == OperandKind::Memory &&
                     in.memory.base != Rsp && in.memory.base != Rbp;
  if (loads || in.op == Op::Sar) return true;
  // A difference that was divided by an odd number as well.
  const Origin& origin = flow.room().origins[state.values[place].id];
  if (in.op != Op::Imul || in.operand_count != 2) return false;
  for (const ValueId from : origin.from) {
    Instruction before;
    if (definition(flow, from, before, at) && before.op == Op::Sar) return true;
  }
  return false;
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

// What a compiler may have known about the number at `ranged`.
void judge_range(const CheckView& view, const Signs& signs, FlowAnalysis& flow, Place ranged,
                 CheckSite& site) noexcept {
  const bool native64 = flow.code().mode() == CodeMode::Bits64;
  const uint8_t bits = view.compare.operands[0].bits;
  const Value& compared = view.state.values[view.operand];
  site.range = index_range(flow, view.edge.compare, view.state, ranged);
  // An int that is sign-extended behind the check, see index_range.
  const bool is_int = native64 && bits == 32 && signs.is_signed && !signs.is_unsigned;
  if (site.range == IndexRange::Given &&
      (is_int || is_limit_unfolded(flow, view.compare, site.shape, view.state))) {
    site.range = IndexRange::Unknown;
  }
  // As a size_t, an unsigned int has a range: "u + 3ul < 10" is "u < 7".
  const bool is_widened =
      native64 && (bits == 32 || (compared.bits == 32 && compared.rest == Rest::Zero));
  if (is_widened && site.proof == IndexProof::Element && site.displaced &&
      (site.range == IndexRange::Unknown || site.range == IndexRange::Given)) {
    site.range = IndexRange::Known;
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
  const Signs signs = read_width(view, site);
  Place ranged = view.operand;
  const bool is_ud1 = judge_accesses(view, flow, site, ranged);
  judge_range(view, signs, flow, ranged, site);
  const SlotTable& slots = flow.room().slots;
  site.unoptimized = is_unoptimized(view.operand, view.copies, uses, slots);
  site.folded = may_be_folded(view, site, is_ud1, flow);
  const bool asks = site.range == IndexRange::Known || site.range == IndexRange::Given;
  if (!is_ud1 || !asks || site.unoptimized || site.divisor != 1 ||
      site.proof != IndexProof::Element) {
    return;
  }
  // What was calculated before the check may be an element's address, too.
  const bool is_followed = view.use_doubt == Doubt::None && !uses.lost && view.copies.all &&
                           ((uses.address | uses.value) & kRelated) == 0;
  const ArrayVerdict verdict = judge_by_arrays(view.accesses, site.shape, is_followed, source);
  site.by_array = verdict == ArrayVerdict::Confirmed;
  site.another_array = verdict == ArrayVerdict::Contradicted;
  // Of table[k + 3] and other[k] the first may have been the one that was checked.
  site.displaced |= view.accesses.displaced_address;
  for (unsigned i = 0; i < view.accesses.form_count; ++i) {
    site.displaced |= view.accesses.forms[i].offset != 0;
  }
}

// clang optimizes its checks as it optimizes code: the compare may be of k with 7 where the source
// has k + 3 and 10, or of k with 5 where it has 2 * k. The access shows it, by a displacement or by
// a factor that is not the size of an element; but so do members of structures. Where the compiler
// had what it needs for that, it is not known which of both is the case.
Confidence static_confidence(const CheckSite& site, bool clang) noexcept {
  if (clang && site.merged && !site.unoptimized) return Confidence::Unknown;
  if (site.divisor != 1 && (site.merged || site.displaced)) return Confidence::Unknown;
  if (clang && site.another_array && !site.unoptimized) return Confidence::Unknown;
  if (site.by_array) return Confidence::Certain;
  if (site.folded && !site.unoptimized) return Confidence::Unknown;
  // gcc's checks are not folded, and without optimization nobody has looked at the callers.
  const bool given = site.range == IndexRange::Given && clang && !site.unoptimized;
  const bool ranged =
      given || (site.range != IndexRange::Unknown && site.range != IndexRange::Given);
  switch (site.proof) {
    case IndexProof::Element:
    case IndexProof::Structure:
      if (site.unoptimized || !ranged) return Confidence::Certain;
      if (site.proof == IndexProof::Element && !site.displaced) {
        return site.range == IndexRange::Counted ? Confidence::Likely : Confidence::Certain;
      }
      if (site.proof == IndexProof::Element && site.computed) return Confidence::Certain;
      return clang ? Confidence::Unknown : Confidence::Likely;
    case IndexProof::Address:
      return ranged && clang ? Confidence::Unknown : Confidence::Likely;
    case IndexProof::None:
    case IndexProof::Pointer:
    case IndexProof::Bytes:
      break;
  }
  return Confidence::Unknown;
}

Doubt static_doubt(const CheckSite& site) noexcept {
  if (site.proof != IndexProof::None && site.proof != IndexProof::Pointer) return Doubt::Scaled;
  if (site.proof == IndexProof::None && site.resume_doubt != Doubt::None) return site.resume_doubt;
  return Doubt::NotABoundsCheck;
}

}  // namespace kebound::x86
