// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/check_site.h"

#include "trap/x86/array_proof.h"
#include "trap/x86/flow_stores.h"
#include "trap/x86/index_range.h"
#include "trap/x86/index_use.h"

namespace kebound::x86 {
namespace {

// What lies between compare and branch is executed a second time: it must not see what it did the
// first time, and must not have changed the index.
bool is_repeatable(const TrapEdge& edge, const FunctionCode& code) noexcept {
  Instruction in;
  if (!code.decode(edge.compare, in) || in.writes != 0 || in.writes_memory) return false;
  uint32_t written = 0;
  for (uint64_t at = edge.compare; at != edge.branch; at += in.length) {
    if (!code.decode(at, in) || at > edge.branch) return false;
    const bool plain = in.op == Op::Mov || in.op == Op::Movzx || in.op == Op::Movsx ||
                       in.op == Op::Lea || in.op == Op::Cmp || in.op == Op::Test ||
                       in.op == Op::Nop || in.op == Op::Setcc || in.op == Op::Jcc;
    if (!plain) return false;
    written |= in.writes;
    if (in.writes_memory && at != edge.compare) return false;
  }
  for (uint64_t at = edge.compare; at != edge.branch; at += in.length) {
    if (!code.decode(at, in) || (in.reads & written) != 0) return false;
  }
  return true;
}

// `bits`: of the compare, which knows no more of it.
StaticPlace static_place(Place place, const FlowState& state, const SlotTable& slots,
                         unsigned bits) noexcept {
  StaticPlace out;
  Value value = state.values[place];
  if (value.bits == 0 || value.bits > bits) {
    value.bits = static_cast<uint8_t>(bits);
    value.rest = Rest::Unrelated;
  }
  out.rest = value.rest;
  if (place < kFirstSlot) {
    out.reg = place;
    out.bits = value.bits;
    return out;
  }
  const Slot& slot = slots.slots[place - kFirstSlot];
  out.in_memory = true;
  out.size = slot.size;
  out.bits = value.bits;
  out.reg = slot.base;
  out.displacement = slot.displacement;
  if (slot.base == Rsp) out.displacement -= state.rsp_offset;
  return out;
}

// The places that have the checked value. Slots of rsp from before an unknown movement of it cannot
// be named.
void find_copies(Place operand, unsigned bits, const FlowState& state, const SlotTable& slots,
                 IndexCopies& copies) noexcept {
  const Value& value = state.values[operand];
  copies = {};
  copies.places[copies.count++] = operand;
  if (value.id == kAnonymous || value.bits == 0) return;
  copies.value = value.id;
  copies.bits = static_cast<uint8_t>(value.bits < bits ? value.bits : bits);
  const unsigned places = kFirstSlot + slots.count;
  for (unsigned i = 0; i < places; ++i) {
    const Place place = static_cast<Place>(i);
    const Value& other = state.values[i];
    if (place == operand || other.id != value.id || other.bits < copies.bits) continue;
    if (place >= kFirstSlot) {
      const Slot& slot = slots.slots[place - kFirstSlot];
      if (slot.base == Rsp && slot.generation != state.rsp_generation) continue;
    }
    if (copies.count == kMaxCopies) {
      copies.all = false;
      return;
    }
    copies.places[copies.count++] = place;
  }
}

// Which copies are to be corrected so that the program does what it would do with another index;
// 0 and the doubt if there is no such choice. docs/recovery.md, "What is corrected".
uint16_t choose_copies(const IndexUses& uses, const IndexCopies& copies, Doubt& doubt) noexcept {
  const uint16_t all = static_cast<uint16_t>((1u << copies.count) - 1);
  if (uses.lost || !copies.all) {
    doubt = Doubt::CopiesUnknown;
    return 0;
  }
  if (uses.stale_store || ((uses.address | uses.value) & kStale) != 0 ||
      (uses.address & kRelated) != 0) {
    doubt = Doubt::DerivedValues;
    return 0;
  }
  // A second check would fail over what still has the old index.
  if ((uses.rechecked & (kRelated | kStale)) != 0) {
    doubt = Doubt::DerivedValues;
    return 0;
  }
  uint16_t chosen = static_cast<uint16_t>(uses.address | uses.rechecked | 1u) & all;
  // A corrected copy that is also used as a number: the others must agree with it.
  if ((uses.value & chosen) != 0 && (uses.value & ~chosen) != 0) {
    if ((uses.value & kRelated) != 0) {
      doubt = Doubt::DerivedValues;
      return 0;
    }
    chosen = all;
  }
  if ((uses.returned & chosen) != 0) {
    doubt = Doubt::LoopCounter;
    return 0;
  }
  return chosen;
}

// Without optimization, clang keeps the index in a variable of its own over the check and reads it
// from there, though the compared register still has it.
bool is_unoptimized(Place operand, const IndexCopies& copies, const IndexUses& uses,
                    const SlotTable& slots) noexcept {
  if (operand >= kFirstSlot || uses.address == 0) return false;
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
bool judge_accesses(const TrapEdge& edge, const UseRoom& uses, const IndexCopies& copies,
                    unsigned bits, const FlowState& state, FlowAnalysis& flow, CheckSite& site,
                    Place& ranged) noexcept {
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
  site.computed = chain.count != 0 && chain.sums[chain.count - 1] != 0 && bits == native;
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
bool is_limit_unfolded(const FlowAnalysis& flow, const Instruction& compare,
                       const BoundShape& shape, const FlowState& state, SlotTable& slots) noexcept {
  const unsigned native = flow.code().mode() == CodeMode::Bits64 ? 64 : 32;
  if (shape.limit != BoundShape::Limit::Operand || compare.operands[0].bits != native) return false;
  const Operand& limit = compare.operands[shape.limit_operand];
  const bool stack = limit.base == Rsp || limit.base == Rbp;  // a parameter, or a spilled one
  if (limit.kind == OperandKind::Memory) return !stack;
  const Place place = place_of(limit, state, slots, false);
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

void take_fingerprint(const FunctionCode& code, CheckSite& site) noexcept {
  const CodeRange range = code.range();
  constexpr uint64_t kBefore = kMaxFingerprint / 4;
  const uint64_t before = site.compare - range.begin;
  site.fingerprint_begin = site.compare - (before < kBefore ? before : kBefore);
  const uint64_t room = range.end - site.fingerprint_begin;
  site.fingerprint_size = static_cast<uint8_t>(room < kMaxFingerprint ? room : kMaxFingerprint);
  uint8_t bytes[kMaxFingerprint];
  code.copy(site.fingerprint_begin, bytes, site.fingerprint_size);
  site.fingerprint = fingerprint(bytes, site.fingerprint_size);
}

}  // namespace

// clang optimizes its checks as it optimizes code: the compare may be of k with 7 where the source
// has k + 3 and 10, or of k with 5 where it has 2 * k. The access shows it, by a displacement or by
// a factor that is not the size of an element; but so do members of structures. Where the compiler
// had what it needs for that, it is not known which of both is the case.
Confidence static_confidence(const CheckSite& site, bool clang) noexcept {
  if (clang && site.merged && !site.unoptimized) return Confidence::Unknown;
  if (site.divisor != 1 && (site.merged || site.displaced)) return Confidence::Unknown;
  if (clang && site.another_array && !site.unoptimized) return Confidence::Unknown;
  if (site.by_array) return Confidence::Certain;
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

uint64_t fingerprint(const uint8_t* bytes, size_t size) noexcept {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

void analyze_check(const TrapEdge& edge, const BoundShape& shape, const FunctionCode& code,
                   const RecoverySource& source, CheckRoom& room, CheckSite& site) noexcept {
  site = {};
  site.branch = edge.branch;
  site.compare = edge.compare;
  site.shape = shape;
  take_fingerprint(code, site);
  Instruction compare;
  if (!code.decode(edge.compare, compare)) {
    site.resume_doubt = Doubt::CodeUnreadable;
    return;
  }
  FlowAnalysis flow(code, source, room.flow);
  site.resume_doubt = flow.run();
  if (site.resume_doubt != Doubt::None) return;

  site.resume_doubt = Doubt::CopiesUnknown;
  FlowState state;
  if (!flow.state_before(edge.compare, state)) return;
  SlotTable& slots = room.flow.slots;
  const Place operand = place_of(compare.operands[shape.index_operand], state, slots, true);
  if (operand == kNoPlace) return;
  // An int that is known to be compared with a positive number only may be zero-extended: what was
  // -1 is compared as 4294967295.
  site.index_bits = compare.operands[0].bits;
  const Value& compared = state.values[operand];
  if (site.index_bits == 64 && compared.bits == 32 && compared.rest == Rest::Zero) {
    site.index_bits = 32;
  }
  IndexCopies copies;
  find_copies(operand, compare.operands[0].bits, state, slots, copies);
  copies.chain = index_chain(flow, copies.value);
  flow.mark_related(copies.value);
  flow.mark_suspect(edge.compare);
  IndexUses uses;
  const Doubt doubt = IndexUse(flow, room.uses, edge, shape.index_operand).run(state, copies, uses);
  site.proof = uses.proof;
  site.displaced = uses.displaced;
  site.access = uses.access;
  // A signed char was compared as an unsigned one, which does as well.
  if (compared.rest == Rest::Zero && compared.bits != 0 && compared.bits < site.index_bits &&
      uses.read_signed && !uses.read_unsigned) {
    site.index_bits = compared.bits;
  }
  bool is_signed = uses.read_signed;
  bool is_unsigned = uses.read_unsigned;
  for (unsigned i = 0; i < copies.count; ++i) {
    const Value& copy = state.values[copies.places[i]];
    if (copy.bits != site.index_bits) continue;
    is_unsigned |= copy.rest == Rest::Zero;
    is_signed |= copy.rest == Rest::Sign || copy.rest == Rest::SignTo32;
  }
  site.read_unsigned = is_unsigned && !is_signed;
  site.factor = uses.factor;
  Place ranged = operand;
  const bool is_ud1 =
      judge_accesses(edge, room.uses, copies, compare.operands[0].bits, state, flow, site, ranged);
  site.range = index_range(flow, edge.compare, state, ranged);
  // An int that is sign-extended behind the check, see index_range.
  const bool is_int = flow.code().mode() == CodeMode::Bits64 && compare.operands[0].bits == 32 &&
                      is_signed && !is_unsigned;
  if (site.range == IndexRange::Given && is_int) site.range = IndexRange::Unknown;
  if (site.range == IndexRange::Given && is_limit_unfolded(flow, compare, shape, state, slots)) {
    site.range = IndexRange::Unknown;
  }
  // As a size_t, an unsigned int has a range: "u + 3ul < 10" is "u < 7".
  const bool is_widened =
      flow.code().mode() == CodeMode::Bits64 &&
      (compare.operands[0].bits == 32 || (compared.bits == 32 && compared.rest == Rest::Zero));
  if (is_widened && site.proof == IndexProof::Element && site.displaced &&
      (site.range == IndexRange::Unknown || site.range == IndexRange::Given)) {
    site.range = IndexRange::Known;
  }
  site.unoptimized = is_unoptimized(operand, copies, uses, slots);
  // What was calculated before the check may be an element's address, too.
  const bool is_followed = doubt == Doubt::None && !uses.lost && copies.all &&
                           ((uses.address | uses.value) & kRelated) == 0;
  const bool asks = site.range == IndexRange::Known || site.range == IndexRange::Given;
  if (is_ud1 && asks && !site.unoptimized && site.divisor == 1 &&
      site.proof == IndexProof::Element) {
    const ArrayVerdict verdict = judge_by_arrays(room.uses, shape, is_followed, source);
    site.by_array = verdict == ArrayVerdict::Confirmed;
    site.another_array = verdict == ArrayVerdict::Contradicted;
    // Of table[k + 3] and other[k] the first may have been the one that was checked.
    site.displaced |= room.uses.displaced_address;
    for (unsigned i = 0; i < room.uses.form_count; ++i) {
      site.displaced |= room.uses.forms[i].offset != 0;
    }
  }
  if (doubt != Doubt::None) {
    site.resume_doubt = doubt;
    return;
  }
  if (site.divisor != 1) {
    site.resume_doubt = Doubt::DerivedValues;
    return;
  }
  const uint16_t chosen = choose_copies(uses, copies, site.resume_doubt);
  if (chosen == 0) return;
  uint32_t registers = 0;
  for (unsigned i = 0; i < copies.count; ++i) {
    if ((chosen >> i & 1) == 0) continue;
    if (site.place_count == kMaxIndexPlaces) {
      site.resume_doubt = Doubt::CopiesUnknown;
      return;
    }
    const StaticPlace place =
        static_place(copies.places[i], state, slots, compare.operands[0].bits);
    if (!place.in_memory) registers |= register_bit(place.reg);
    site.places[site.place_count++] = place;
  }
  // The compare finds an operand by a register that is to be corrected, or what is corrected was
  // overwritten before the trap.
  const uint32_t addresses = register_bit(compare.memory.base) | register_bit(compare.memory.index);
  const bool tangled = compare.memory.kind == OperandKind::Memory && (addresses & registers) != 0;
  if (tangled || (edge.written & (registers | register_bit(Rsp))) != 0 ||
      !is_repeatable(edge, code)) {
    site.resume_doubt = Doubt::NotRepeatable;
    return;
  }
  site.resume_doubt = code.has_indirect_jumps() ? Doubt::CopiesUnknown : Doubt::None;
}

}  // namespace kebound::x86
