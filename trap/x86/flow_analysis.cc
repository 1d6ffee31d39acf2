// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/flow_analysis.h"

#include "trap/x86/index_chain.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxRounds = 24;
// The owner of what comes together where exceptions are caught.
constexpr uint16_t kExceptionBlock = 0xfffe;

Value common(const Value& a, const Value& b) noexcept {
  Value value = a;
  if (b.bits < value.bits) value.bits = b.bits;
  if (a.bits != b.bits || a.rest != b.rest) {
    value.rest = Rest::Unrelated;
  }
  return value;
}

// Of rsp where ways come together on which it has moved differently.
uint16_t joined_generation(uint16_t block) noexcept {
  return static_cast<uint16_t>(0x8000u | block);
}

}  // namespace

void apply(const FlowEffect& effect, FlowState& state) noexcept {
  for (unsigned place = 0; place < kMaxPlaces; ++place) {
    const PlaceSet bit = PlaceSet{1} << place;
    if ((effect.damaged & bit) != 0) state.values[place].bits = 0;
    if ((effect.clobbered & bit) != 0) state.values[place] = {};
  }
  if (effect.barrier) {
    for (Value& value : state.values) value.bits = 0;
  }
  for (unsigned i = 0; i < effect.count; ++i) {
    state.values[effect.assignments[i].place] = effect.assignments[i].value;
  }
  state.rsp_generation = effect.rsp_generation;
  state.rsp_offset = effect.rsp_offset;
}

bool FlowAnalysis::is_own_phi(ValueId value, uint16_t block, Place place) const noexcept {
  return value >= kFirstPhi && room_.phi_block[value - kFirstPhi] == block &&
         room_.phi_place[value - kFirstPhi] == place;
}

ValueId FlowAnalysis::phi(uint16_t block, Place place) noexcept {
  if (room_.phi_count == kMaxPhis) return kAnonymous;
  const uint16_t number = room_.phi_count++;
  room_.phi_block[number] = block;
  room_.phi_place[number] = place;
  room_.origins[kFirstPhi + number] = {};
  room_.zeros[kFirstPhi + number] = 0;
  return static_cast<ValueId>(kFirstPhi + number);
}

void FlowAnalysis::add_origin(ValueId value, ValueId from) noexcept {
  if (from == kAnonymous || from == value) return;
  Origin& origin = room_.origins[value];
  for (ValueId& known : origin.from) {
    if (known == from) return;
    if (known == kAnonymous) {
      known = from;
      return;
    }
  }
  origin.more = true;
}

// What this round finds first at a block's beginning takes the place of what an earlier one found:
// values that have got another name since. Places whose value is joined here stay so.
void FlowAnalysis::replace(uint16_t block, FlowState& into, const FlowState& from,
                           bool& changed) noexcept {
  const bool moved =
      into.rsp_generation != from.rsp_generation || into.rsp_offset != from.rsp_offset;
  if (moved && into.rsp_generation != joined_generation(block)) {
    into.rsp_generation = from.rsp_generation;
    into.rsp_offset = from.rsp_offset;
    changed = true;
  }
  const unsigned places = kFirstSlot + room_.slots.count;
  for (unsigned i = 0; i < places; ++i) {
    Value& value = into.values[i];
    const Value& other = from.values[i];
    if (is_own_phi(value.id, block, static_cast<Place>(i))) {
      add_origin(value.id, other.id);
      continue;
    }
    const Value now = value.id == other.id ? common(value, other) : other;
    changed |= now != value;
    value = now;
  }
}

// False if the room for values is used up.
bool FlowAnalysis::merge(uint16_t block, FlowState& into, const FlowState& from,
                         bool& changed) noexcept {
  if (!into.reached) {
    into = from;
    changed = true;
    if (block < kMaxFlowBlocks) room_.entered[block] = round_;
    return true;
  }
  if (block < kMaxFlowBlocks && room_.entered[block] != round_) {
    room_.entered[block] = round_;
    replace(block, into, from, changed);
    return true;
  }
  if (into.rsp_generation != from.rsp_generation || into.rsp_offset != from.rsp_offset) {
    const uint16_t own = joined_generation(block);
    if (into.rsp_generation != own || into.rsp_offset != 0) {
      into.rsp_generation = own;
      into.rsp_offset = 0;
      changed = true;
    }
  }
  const unsigned places = kFirstSlot + room_.slots.count;
  for (unsigned i = 0; i < places; ++i) {
    Value& value = into.values[i];
    const Value& other = from.values[i];
    const Place place = static_cast<Place>(i);
    if (value.id == other.id) {
      const Value both = common(value, other);
      changed |= both != value;
      value = both;
      continue;
    }
    if (!is_own_phi(value.id, block, place)) {
      const ValueId joined = phi(block, place);
      if (joined == kAnonymous) return false;
      add_origin(joined, value.id);
      const unsigned bits = code_.native_bits();
      const unsigned whole = i < kFirstSlot ? bits : room_.slots.slots[i - kFirstSlot].size * 8u;
      value = {joined, static_cast<uint8_t>(whole), Rest::Unrelated};
      changed = true;
    }
    if (!is_own_phi(other.id, block, place)) add_origin(value.id, other.id);
  }
  return true;
}

void FlowAnalysis::note_origins(const FlowEffect& effect, const FlowState& before) noexcept {
  for (unsigned i = 0; i < effect.count; ++i) {
    const Assignment& a = effect.assignments[i];
    if (a.kind != Assignment::Kind::Derived) continue;
    Origin& origin = room_.origins[a.value.id];
    origin = {};
    origin.loaded = a.loaded;
    for (unsigned j = 0; j < 3; ++j) {
      if (a.sources[j] == kNoPlace) continue;
      const Value& source = before.values[a.sources[j]];
      origin.from[j] = source.id;
      if (source.bits < 32) origin.narrow |= static_cast<uint8_t>(1u << j);
      // A value that is only calculated from `id` is no multiple of it.
      origin.factors[j] = static_cast<int16_t>(source.bits == 0 ? 0 : a.factors[j]);
    }
  }
}

// 2 * k | 1 is 2 * k + 1.
bool FlowAnalysis::adds_low_bits(const Instruction& in, const FlowEffect& effect,
                                 const FlowState& state) const noexcept {
  if (in.op != Op::Or || in.operands[0].bits < 32 || effect.count != 1 ||
      in.operands[1].kind != OperandKind::Immediate || in.operands[1].immediate < 0 ||
      effect.assignments[0].sources[0] >= kFirstSlot) {
    return false;
  }
  const Value& value = state.values[effect.assignments[0].sources[0]];
  const unsigned zeros = value.bits < 32 ? 0 : room_.zeros[value.id];
  return in.operands[1].immediate >> zeros == 0;
}

// How many low bits of a value are 0, by how it was made.
uint8_t FlowAnalysis::low_zeros(const Instruction& in, const Origin& origin) const noexcept {
  constexpr unsigned kMost = 32;
  const auto of = [](uint64_t number) {
    const unsigned zeros = number == 0 ? kMost : static_cast<unsigned>(__builtin_ctzll(number));
    return zeros < kMost ? zeros : kMost;
  };
  const Operand& last = in.operands[in.operand_count == 0 ? 0 : in.operand_count - 1];
  if (in.op == Op::And && last.kind == OperandKind::Immediate) {
    const unsigned zeros = of(static_cast<uint64_t>(last.immediate));
    return static_cast<uint8_t>(zeros < kMost ? zeros : 0);
  }
  const bool from_memory = in.reads_memory && in.op != Op::Lea;
  if (from_memory || origin.loaded != 0 || in.operands[0].bits < 32) return 0;
  const bool sums = in.op == Op::Add || in.op == Op::Sub || in.op == Op::Lea || in.op == Op::Or ||
                    in.op == Op::Shl || in.op == Op::Imul;
  if (!sums || (in.op == Op::Lea && in.operands[1].rip_relative)) return 0;
  unsigned least = of(static_cast<uint64_t>(added_constant(in)));
  bool any = false;
  for (unsigned i = 0; i < 3; ++i) {
    if (origin.from[i] == kAnonymous && origin.factors[i] == 0) continue;
    if (origin.factors[i] == 0) return 0;
    any = true;
    int64_t factor = origin.factors[i];
    // Twice the same.
    if (i == 0 && origin.from[1] == origin.from[0]) factor += origin.factors[1];
    if (i == 1 && origin.from[1] == origin.from[0]) continue;
    const unsigned zeros = room_.zeros[origin.from[i]] + of(static_cast<uint64_t>(factor));
    least = zeros < least ? zeros : least;
  }
  return static_cast<uint8_t>(any && least < kMost ? least : 0);
}

void FlowAnalysis::step(const Instruction& instruction, uint16_t number, FlowState& state,
                        FlowEffect& effect) noexcept {
  const uint8_t address = reads_ip(instruction);
  if (address != kNoRegister) {
    effect = {};
    effect.count = 1;
    effect.assignments[0].place = address;
    effect.assignments[0].value = {defined_value(number, 0), 32, Rest::Unrelated};
    effect.rsp_generation = state.rsp_generation;
    effect.rsp_offset = state.rsp_offset;
  } else {
    flow_effect(instruction, number, code_.mode(), state, room_.slots, effect);
  }
  if (adds_low_bits(instruction, effect, state)) effect.assignments[0].factors[0] = 1;
  note_origins(effect, state);
  for (unsigned i = 0; i < effect.count; ++i) {
    const Assignment& a = effect.assignments[i];
    if (a.kind == Assignment::Kind::Copy || a.value.id == kAnonymous) continue;
    const bool derived = a.kind == Assignment::Kind::Derived;
    room_.zeros[a.value.id] = derived ? low_zeros(instruction, room_.origins[a.value.id]) : 0;
  }
  apply(effect, state);
}

bool FlowAnalysis::round(const FlowState& entry, bool& changed) noexcept {
  Instruction instruction;
  FlowEffect effect;
  for (unsigned i = 0; i < room_.phi_count; ++i) room_.origins[kFirstPhi + i] = {};
  if (!merge(0, room_.states[0], entry, changed)) return false;
  for (unsigned n = 0; n < room_.block_count; ++n) {
    const uint16_t i = room_.order[n];
    const FlowBlock& block = room_.blocks[i];
    if (block.unknown_entry && room_.exceptional.reached &&
        !merge(i, room_.states[i], room_.exceptional, changed)) {
      return false;
    }
    if (!room_.states[i].reached) continue;
    FlowState state = room_.states[i];
    uint16_t number = block.first_number;
    for (uint64_t at = block.begin; at < block.end; at += instruction.length) {
      if (!code_.decode(at, instruction)) return false;
      step(instruction, number++, state, effect);
      if ((effect.calls || instruction.op == Op::JmpIndirect) &&
          !merge(kExceptionBlock, room_.exceptional, state, changed)) {
        return false;
      }
    }
    const uint16_t ways[2] = {block.taken, block.passed};
    for (const uint16_t next : ways) {
      if (next != kNoBlock && !merge(next, room_.states[next], state, changed)) return false;
    }
  }
  return true;
}

Doubt FlowAnalysis::run() noexcept {
  room_.phi_count = 0;
  room_.slots = {};
  room_.exceptional.reached = false;
  if (!make_blocks()) return Doubt::FunctionTooLarge;
  for (uint16_t i = 0; i < room_.block_count; ++i) {
    room_.states[i].reached = false;
    room_.entered[i] = 0;
  }
  FlowState entry;
  entry.reached = true;
  const uint8_t bits = code_.native_bits();
  for (uint8_t reg = 0; reg < 16; ++reg) {
    entry.values[reg] = {static_cast<ValueId>(kFirstEntry + reg), bits, Rest::Unrelated};
  }
  for (unsigned i = 0; i < room_.defined_end; ++i) {
    room_.origins[i] = {};
    room_.zeros[i] = 0;
  }
  for (round_ = 1; round_ <= kMaxRounds; ++round_) {
    bool changed = false;
    if (!round(entry, changed)) return Doubt::FunctionTooLarge;
    if (!changed) return Doubt::None;
  }
  return Doubt::FunctionTooLarge;
}

bool FlowAnalysis::state_before(uint64_t address, FlowState& state) noexcept {
  const uint16_t index = block_at(address);
  if (index == kNoBlock || !room_.states[index].reached) return false;
  const FlowBlock& block = room_.blocks[index];
  state = room_.states[index];
  Instruction instruction;
  FlowEffect effect;
  uint16_t number = block.first_number;
  for (uint64_t at = block.begin; at < address; at += instruction.length) {
    if (!code_.decode(at, instruction)) return false;
    step(instruction, number++, state, effect);
  }
  return true;
}

}  // namespace kebound::x86
