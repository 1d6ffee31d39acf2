// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/check_copies.h"

namespace kebound::x86 {

bool IndexCopies::is_compared(ValueId id) const noexcept {
  if (id == kAnonymous || id == value) return id != kAnonymous;
  for (unsigned i = 0; i < again_count; ++i) {
    if (again[i] == id) return true;
  }
  return false;
}

bool IndexCopies::is_own(ValueId id) const noexcept {
  return is_compared(id) || chain.find(id) != chain.count;
}

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
      (uses.address & kRelated) != 0 ||
      ((uses.address | uses.value | uses.rechecked) & kAgain) != 0) {
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

}  // namespace kebound::x86
