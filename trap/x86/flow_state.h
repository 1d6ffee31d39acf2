// SPDX-License-Identifier: Apache-2.0
//
// What an analysis of a function's values keeps for each point of the code: which value is in which
// place. Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/x86/instruction.h"
#include "trap/x86/registers.h"

namespace kebound::x86 {

// A place is a general register (0..15, as Gpr) or a slot: a variable in memory that is addressed
// without an index register.
using Place = uint8_t;
using PlaceSet = uint64_t;  // a bit each
inline constexpr size_t kMaxPlaces = 64;
inline constexpr size_t kFirstSlot = 16;
// All vector and x87 registers together.
inline constexpr Place kVectors = kMaxPlaces - 1;
inline constexpr size_t kMaxSlots = kVectors - kFirstSlot;
inline constexpr Place kNoPlace = 0xff;

[[nodiscard]] constexpr PlaceSet place_bit(Place place) noexcept {
  return place < kMaxPlaces ? PlaceSet{1} << place : 0;
}

[[nodiscard]] constexpr Place first_place(PlaceSet places) noexcept {
  const uint32_t low = static_cast<uint32_t>(places);
  return static_cast<Place>(low != 0 ? __builtin_ctz(low)
                                     : 32 + __builtin_ctz(static_cast<uint32_t>(places >> 32)));
}

// Names a value that some instruction made. What has the same number is equal.
using ValueId = uint16_t;
inline constexpr ValueId kAnonymous = 0;   // equal to nothing, not even to itself
inline constexpr ValueId kFirstEntry = 1;  // what the registers hold when the function begins
inline constexpr ValueId kFirstDefined = kFirstEntry + 16;
inline constexpr unsigned kDefinitionsEach = 2;  // of an instruction

[[nodiscard]] constexpr ValueId defined_value(uint16_t number, unsigned which) noexcept {
  return static_cast<ValueId>(kFirstDefined + number * kDefinitionsEach + which);
}

// How the bits above `bits` follow from those below.
enum class Rest : uint8_t {
  Unrelated,  // they do not, or there are none
  Zero,
  Sign,      // up to the register's width
  SignTo32,  // in 64-bit code: up to 32 bits, zero above
};

struct Value {
  ValueId id = kAnonymous;
  uint8_t bits = 0;  // the low bits that the place has in common with the value; 0: none for sure,
                     // but it was calculated from it
  Rest rest = Rest::Unrelated;

  bool operator==(const Value&) const = default;
};

struct Slot {
  uint8_t base = kNoRegister;  // Gpr, or kNoRegister: an absolute address
  uint8_t size = 0;            // bytes
  uint16_t generation = 0;     // base is rsp: which of its unknown movements came before
  int64_t displacement = 0;    // base is rsp: from where it was at the beginning of the generation
};

// All slots of one analysis; they are found as code uses them.
struct SlotTable {
  uint8_t count = 0;
  bool full = false;  // there were more
  // The lowest address on the stack that code takes: what lies above may be written by pointers.
  bool rbp_escapes = false;
  bool rsp_escapes = false;
  int64_t rbp_escape = 0;
  Slot slots[kMaxSlots];
};

struct FlowState {
  bool reached = false;
  uint16_t rsp_generation = 0;
  int32_t rsp_offset = 0;  // since the beginning of the generation
  Value values[kMaxPlaces];
};

// One place that an instruction gives a value.
struct Assignment {
  enum class Kind : uint8_t {
    Copy,     // `value`, which `sources[0]` had
    Derived,  // calculated from `sources`; `value` is a new one
    Fresh,    // nothing that was known before; `value` is a new one
  };
  Place place = kNoPlace;
  Kind kind = Kind::Fresh;
  Value value;
  Place sources[3] = {kNoPlace, kNoPlace, kNoPlace};
  // Derived: place = sum of sources[i] * factors[i] and something that is in no source. 0: not so.
  int32_t factors[3] = {};
  uint8_t loaded = 0;  // bit i: sources[i] is in the address of memory that was read, no more
};

struct FlowEffect {
  static constexpr size_t kMax = 4;
  uint8_t count = 0;
  Assignment assignments[kMax];
  PlaceSet clobbered = 0;     // and these, without anything known
  PlaceSet damaged = 0;       // slots that a pointer may have written
  PlaceSet value_uses = 0;    // used beyond the places: compared, stored, passed on
  PlaceSet address_uses = 0;  // used to address memory
  PlaceSet lost = 0;          // stored on the stack where it is not followed
  bool barrier = false;       // an instruction that is not understood: nothing is known any more
  bool calls = false;
  // rsp after the instruction.
  uint16_t rsp_generation = 0;
  int32_t rsp_offset = 0;
};

// The place an operand is; kNoPlace for immediates and for memory that is no slot. Makes slots.
[[nodiscard]] Place place_of(const Operand& operand, const FlowState& state, SlotTable& slots,
                             bool create) noexcept;

// What `instruction`, the `number`th of its function, does to the places. Context: anywhere.
void flow_effect(const Instruction& instruction, uint16_t number, CodeMode mode,
                 const FlowState& state, SlotTable& slots, FlowEffect& out) noexcept;

// Changes `state` by that.
void apply(const FlowEffect& effect, FlowState& state) noexcept;

// The value an operand of `bits` bits has, read from `value`; kAnonymous where it has nothing in
// common with it any more.
[[nodiscard]] Value narrowed(Value value, unsigned bits) noexcept;

}  // namespace kebound::x86
