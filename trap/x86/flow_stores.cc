// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/flow_stores.h"

namespace kebound::x86 {
namespace {

bool overlap(const Slot& a, const Slot& b) noexcept {
  return a.base == b.base && a.generation == b.generation && a.displacement < end_of(b) &&
         b.displacement < end_of(a);
}

}  // namespace

bool slot_of(const Operand& operand, unsigned bits, const FlowState& state, Slot& slot) noexcept {
  if (operand.kind != OperandKind::Memory || operand.index != kNoRegister ||
      operand.segment == Segment::Fs || operand.segment == Segment::Gs) {
    return false;
  }
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return false;
  slot = {};
  slot.base = operand.base;
  slot.size = static_cast<uint8_t>(bits / 8);
  slot.displacement = operand.displacement;
  if (operand.base == Rsp) {
    slot.generation = state.rsp_generation;
    slot.displacement += state.rsp_offset;
  }
  return true;
}

Place find_slot(const SlotTable& slots, const Slot& wanted, bool exact) noexcept {
  Place wider = kNoPlace;
  for (unsigned i = 0; i < slots.count; ++i) {
    const Slot& slot = slots.slots[i];
    if (slot.base != wanted.base || slot.generation != wanted.generation ||
        slot.displacement != wanted.displacement) {
      continue;
    }
    if (slot.size == wanted.size) return static_cast<Place>(kFirstSlot + i);
    if (slot.size > wanted.size && !exact) wider = static_cast<Place>(kFirstSlot + i);
  }
  return wider;
}

Place make_slot(SlotTable& slots, const Slot& slot) noexcept {
  if (slots.count == kMaxSlots) {
    slots.full = true;
    return kNoPlace;
  }
  slots.slots[slots.count] = slot;
  return static_cast<Place>(kFirstSlot + slots.count++);
}

Value widened(Value quantity, unsigned bits, unsigned native) noexcept {
  if (quantity.bits >= bits) quantity.rest = Rest::Unrelated;
  if (bits == 32 && native == 64) {
    if (quantity.rest == Rest::Sign) quantity.rest = Rest::SignTo32;
    if (quantity.bits == 32) quantity.rest = Rest::Zero;
  }
  return quantity;
}

Value narrowed(Value value, unsigned bits) noexcept {
  if (value.id == kAnonymous || value.bits == 0) return {value.id, 0, Rest::Unrelated};
  if (value.bits >= bits) return {value.id, static_cast<uint8_t>(bits), Rest::Unrelated};
  if (value.rest == Rest::Unrelated) return {value.id, 0, Rest::Unrelated};
  if (value.rest == Rest::SignTo32 && bits <= 32) value.rest = Rest::Sign;
  return value;
}

Place place_of(const Operand& operand, const FlowState& state, SlotTable& slots,
               bool create) noexcept {
  if (operand.kind == OperandKind::Register) {
    return operand.high_byte ? kNoPlace : static_cast<Place>(operand.reg & 15);
  }
  Slot slot;
  if (!slot_of(operand, operand.bits, state, slot)) return kNoPlace;
  const Place found = find_slot(slots, slot, false);
  if (found != kNoPlace) return found;
  return create || on_stack(slot) ? make_slot(slots, slot) : kNoPlace;
}

Place EffectStores::place(unsigned operand, bool create) noexcept {
  return place_of(in_.operands[operand], state_, slots_, create);
}

Value EffectStores::held(Place place) const noexcept {
  return place == kNoPlace ? Value{kAnonymous, 0, Rest::Unrelated} : state_.values[place];
}

Value EffectStores::fresh(unsigned which, unsigned bits) const noexcept {
  return {defined_value(number_, which), static_cast<uint8_t>(bits), Rest::Unrelated};
}

void EffectStores::note_address() noexcept {
  const Operand& memory = in_.memory;
  if (memory.kind != OperandKind::Memory || in_.op == Op::Lea || in_.op == Op::Nop) return;
  if (memory.base != kNoRegister) out_.address_uses |= place_bit(memory.base);
  if (memory.index == kNoRegister) return;
  out_.address_uses |= place_bit(memory.index);
  if (memory.base == Rbp || memory.base == Rsp) escape(memory);
}

void EffectStores::escape(const Operand& memory) noexcept {
  if (memory.base == Rbp) {
    if (!slots_.rbp_escapes || memory.displacement < slots_.rbp_escape) {
      slots_.rbp_escape = memory.displacement;
    }
    slots_.rbp_escapes = true;
  } else {
    slots_.rsp_escapes = true;
  }
}

Assignment& EffectStores::assign(Place place, Assignment::Kind kind, Value value) noexcept {
  static_assert(FlowEffect::kMax >= 3);
  Assignment& a = out_.assignments[out_.count < FlowEffect::kMax ? out_.count : 0];
  if (out_.count < FlowEffect::kMax) ++out_.count;
  a = {};
  a.place = place;
  a.kind = kind;
  a.value = value;
  return a;
}

Assignment& EffectStores::store(unsigned operand, Assignment::Kind kind, Value quantity) noexcept {
  const Operand& target = in_.operands[operand];
  if (target.kind == OperandKind::Memory) return store_memory(target, kind, quantity);
  Value whole = widened(quantity, target.bits, native_);
  if (target.high_byte) whole.bits = 0;
  Assignment& a = assign(target.reg & 15, kind, whole);
  // The rest of the register stays what it was.
  if (target.bits < 32) a.sources[2] = target.reg & 15;
  return a;
}

Assignment& EffectStores::store_memory(const Operand& target, Assignment::Kind kind,
                                       Value quantity) noexcept {
  const Place to = place_of(target, state_, slots_, target.base == Rbp || target.base == Rsp);
  Slot slot;
  if (!slot_of(target, target.bits, state_, slot)) {
    pointer_store();
    out_.value_uses |= sources_used();
    return ignored_;
  }
  damage_overlapping(slot, to);
  if (to == kNoPlace) {
    if (on_stack(slot)) {
      out_.lost |= sources_used();
    } else {
      pointer_store();
    }
    out_.value_uses |= sources_used();
    return ignored_;
  }
  if (!on_stack(slot)) {
    pointer_store();
    out_.damaged &= ~place_bit(to);
    out_.value_uses |= sources_used();
  }
  return assign(to, kind, widened(quantity, target.bits, target.bits));
}

PlaceSet EffectStores::sources_used() noexcept {
  PlaceSet used = 0;
  for (unsigned i = 1; i < in_.operand_count; ++i) used |= place_bit(place(i, false));
  return used;
}

void EffectStores::damage_overlapping(const Slot& slot, Place except) noexcept {
  for (unsigned i = 0; i < slots_.count; ++i) {
    const Place other = static_cast<Place>(kFirstSlot + i);
    if (other != except && overlap(slots_.slots[i], slot)) out_.damaged |= place_bit(other);
  }
}

void EffectStores::pointer_store() noexcept {
  for (unsigned i = 0; i < slots_.count; ++i) {
    const Slot& slot = slots_.slots[i];
    const bool hidden = slot.base == Rbp ? !slots_.rbp_escapes || end_of(slot) <= slots_.rbp_escape
                                         : slot.base == Rsp && !slots_.rsp_escapes;
    if (!hidden) out_.damaged |= place_bit(static_cast<Place>(kFirstSlot + i));
  }
}

void EffectStores::overwrite(unsigned operand, Value value) noexcept {
  store(operand, Assignment::Kind::Fresh, value);
}

void EffectStores::add_load(Assignment& a) noexcept {
  const Operand& memory = in_.memory;
  if (memory.kind != OperandKind::Memory || !in_.reads_memory) return;
  const uint8_t registers[2] = {memory.base, memory.index};
  for (const uint8_t reg : registers) {
    if (reg == kNoRegister || reg == Rsp) continue;
    for (unsigned i = 0; i < 3; ++i) {
      if (a.sources[i] != kNoPlace) continue;
      a.sources[i] = reg;
      a.loaded |= static_cast<uint8_t>(1u << i);
      break;
    }
  }
}

}  // namespace kebound::x86
