// SPDX-License-Identifier: Apache-2.0
//
// Part of flow_effect(): places and slots, and what stores do to them.
#pragma once

#include "trap/x86/flow_state.h"

namespace kebound::x86 {

[[nodiscard]] constexpr int64_t end_of(const Slot& slot) noexcept {
  return slot.displacement + slot.size;
}
[[nodiscard]] constexpr bool on_stack(const Slot& slot) noexcept {
  return slot.base == Rbp || slot.base == Rsp;
}

// The slot that memory would be; false for memory that is none.
[[nodiscard]] bool slot_of(const Operand& operand, unsigned bits, const FlowState& state,
                           Slot& slot) noexcept;
// The slot itself, or, unless `exact`, a wider one that begins there.
[[nodiscard]] Place find_slot(const SlotTable& slots, const Slot& wanted, bool exact) noexcept;
[[nodiscard]] Place make_slot(SlotTable& slots, const Slot& slot) noexcept;

// What a quantity of `bits` bits is as the whole of what a place holds.
[[nodiscard]] Value widened(Value quantity, unsigned bits, unsigned native) noexcept;

// The effect of one instruction as it is put together.
class EffectStores {
 public:
  EffectStores(const Instruction& instruction, uint16_t number, CodeMode mode,
               const FlowState& state, SlotTable& slots, FlowEffect& out) noexcept
      : in_(instruction),
        number_(number),
        native_(mode == CodeMode::Bits64 ? 64 : 32),
        state_(state),
        slots_(slots),
        out_(out) {}

 protected:
  [[nodiscard]] Place place(unsigned operand, bool create) noexcept;
  [[nodiscard]] Value held(Place place) const noexcept;
  [[nodiscard]] Value fresh(unsigned which, unsigned bits) const noexcept;
  void note_address() noexcept;
  // An array on the stack, or a variable whose address is taken.
  void escape(const Operand& memory) noexcept;
  Assignment& assign(Place place, Assignment::Kind kind, Value value) noexcept;
  // Gives operand 0 a quantity of its width. Where it goes to unknown memory, the quantity's source
  // is used as a value.
  Assignment& store(unsigned operand, Assignment::Kind kind, Value quantity) noexcept;
  Assignment& store_memory(const Operand& target, Assignment::Kind kind, Value quantity) noexcept;
  [[nodiscard]] PlaceSet sources_used() noexcept;
  void damage_overlapping(const Slot& slot, Place except) noexcept;
  // A store that may have gone to any variable whose address is known to others.
  void pointer_store() noexcept;
  void overwrite(unsigned operand, Value value) noexcept;
  // What is read from memory depends on the registers of its address.
  void add_load(Assignment& a) noexcept;

  const Instruction& in_;
  const uint16_t number_;
  const unsigned native_;
  const FlowState& state_;
  SlotTable& slots_;
  FlowEffect& out_;

 private:
  Assignment ignored_;
};

}  // namespace kebound::x86
