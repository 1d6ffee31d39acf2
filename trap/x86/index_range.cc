// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/index_range.h"

#include "trap/x86/index_chain.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxSteps = 16;
// The first clang whose sums and products do not overflow by what callers give and others store:
// 14 and 16 know it as well, but use it for the conversions of ints only.
constexpr uint16_t kFirstByCallers = 17;

// What the instruction at `at` loads is a variable that lies at the same address at each execution.
bool loads_variable(FlowAnalysis& flow, const Instruction& in, uint64_t at) noexcept {
  if (in.operands[1].kind != OperandKind::Memory || in.memory.index != kNoRegister) return false;
  if (in.memory.rip_relative || in.memory.base == kNoRegister) return true;
  FlowState state;
  uint64_t address = 0;
  return flow.state_before(at, state) &&
         constant_value(flow, state.values[in.memory.base & 15].id, address);
}

// What the instruction at `at` has of the value `id`, which it calculates with: it may be one that
// was extended.
Value operand_value(FlowAnalysis& flow, const Instruction& in, uint64_t at, ValueId id) noexcept {
  FlowState state;
  if (flow.state_before(at, state)) {
    for (unsigned i = 0; i < kFirstSlot; ++i) {
      if ((in.reads >> i & 1) != 0 && state.values[i].id == id) return state.values[i];
    }
  }
  return {id, 64, Rest::Unrelated};
}

// By how it was calculated.
//
// clang knows what the callers of a static function give to it: of table[k + 3] with k from an
// unsigned char it makes "k < 7" there, too, and nothing in the function shows why. Not of an int
// that it sign-extends, though: if that could not be negative, it would be zero-extended. It knows
// as well what is stored in a static variable.
NumberRange by_definition(FlowAnalysis& flow, Value value) noexcept {
  const unsigned native = flow.code().mode() == CodeMode::Bits64 ? 64 : 32;
  Instruction in;
  uint64_t at = 0;
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    const bool extended =
        value.bits < native && (value.rest == Rest::Sign || value.rest == Rest::SignTo32);
    // No sum or multiple of what has less bits overflows.
    const uint8_t least = i == 0 ? uint8_t{32} : static_cast<uint8_t>(native);
    if (value.rest == Rest::Zero && value.bits < least) {
      return {IndexRange::Known, kNoRegister, true};
    }
    if (value.id == kAnonymous) return {};
    if (value.id < kFirstDefined) {
      if (extended) return {};
      return {IndexRange::Given, static_cast<uint8_t>(value.id - kFirstEntry)};
    }
    if (value.id >= kFirstPhi) return {IndexRange::Counted};
    if (!definition(flow, value.id, in, at)) return {IndexRange::Known};
    switch (in.op) {
      case Op::Mov:
        if (!extended && loads_variable(flow, in, at)) return {IndexRange::Stored};
        return {};
      case Op::Movsx:
        return {};
      case Op::Add:
      case Op::Sub:
      case Op::Lea:
      case Op::Inc:
      case Op::Dec:
      case Op::Neg:
      case Op::Shl:
      case Op::Imul:
        break;
      case Op::Movzx:
      case Op::And:
      case Op::Shr:
        return {IndexRange::Known, kNoRegister, true};
      default:
        return {IndexRange::Known};
    }
    const Origin& origin = flow.room().origins[value.id];
    ValueId only = kAnonymous;
    int factor = 0;
    for (unsigned j = 0; j < 3; ++j) {
      if (origin.from[j] == kAnonymous) continue;
      if (only != kAnonymous && only != origin.from[j]) return {IndexRange::Known};
      only = origin.from[j];
      factor += origin.factors[j];
    }
    if (only == kAnonymous) return {};
    // Below an even limit what is 2 * k is so with 1 added to it.
    if (factor % 2 == 0) return {IndexRange::Known};
    // Of what is added to a sum nothing is left that could be moved to the limit.
    value = factor == 1 ? Value{only, 64, Rest::Unrelated} : operand_value(flow, in, at, only);
  }
  return {IndexRange::Known};
}

// Of a number that is 0 where `mask` is.
bool is_low_mask(int64_t mask) noexcept { return (mask & (mask + 1)) == 0; }

// By another compare of it, on a way to this one.
bool is_compared_before(FlowAnalysis& flow, uint64_t compare) noexcept {
  FlowRoom& room = flow.room();
  const uint16_t own = flow.block_at(compare);
  if (own == kNoBlock) return true;
  uint64_t leads[(kMaxFlowBlocks + 63) / 64] = {};
  const auto leads_there = [&leads](uint16_t block) {
    return block != kNoBlock && (leads[block / 64] >> (block % 64) & 1) != 0;
  };
  leads[own / 64] |= uint64_t{1} << (own % 64);
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned i = room.block_count; i-- > 0;) {
      const uint16_t block = static_cast<uint16_t>(i);
      if (leads_there(block)) continue;
      if (!leads_there(room.blocks[i].taken) && !leads_there(room.blocks[i].passed)) continue;
      leads[i / 64] |= uint64_t{1} << (i % 64);
      changed = true;
    }
  }
  Instruction in;
  FlowEffect effect;
  for (uint16_t i = 0; i < room.block_count; ++i) {
    if (!leads_there(i) || !room.states[i].reached) continue;
    FlowState state = room.states[i];
    uint16_t number = room.blocks[i].first_number;
    for (uint64_t at = room.blocks[i].begin; at < room.blocks[i].end; at += in.length) {
      if (!flow.code().decode(at, in)) return true;
      const bool compares = in.op == Op::Cmp || in.op == Op::Test || in.op == Op::Bt;
      for (unsigned j = 0; compares && at != compare && j < 2; ++j) {
        const Place place = place_of(in.operands[j], state, room.slots, false);
        if (place == kNoPlace) continue;
        const ValueId id = state.values[place].id;
        if (id != kAnonymous && flow.is_related(id)) return true;
      }
      flow.step(in, number++, state, effect);
    }
  }
  return false;
}

bool low_bits_of(const FlowAnalysis& flow, ValueId value, unsigned steps) noexcept;

// Of an instruction's result; `origin`: what it was calculated from.
bool low_bits_by(const FlowAnalysis& flow, const Instruction& in, const Origin& origin,
                 unsigned steps) noexcept {
  const Operand& last = in.operands[in.operand_count == 0 ? 0 : in.operand_count - 1];
  const bool constant = last.kind == OperandKind::Immediate;
  switch (in.op) {
    case Op::Mov:
    case Op::Movzx:
    case Op::Movsx:
    case Op::Pop:
    case Op::Call:
    case Op::CallIndirect:
      return false;  // read from memory, or what a function gives
    case Op::Shl:
      return true;
    case Op::Imul:
      if (!constant || last.immediate % 2 == 0) return true;
      break;
    case Op::And:
      if (!constant || !is_low_mask(last.immediate)) return true;
      break;
    case Op::Lea:
    case Op::Add: {
      // Twice the same, and what is shifted while it is added.
      const bool twice = origin.from[0] == origin.from[1] && origin.from[0] != kAnonymous;
      if (twice && in.op == Op::Add) return true;
      if (in.op != Op::Lea || in.operands[1].index == kNoRegister) break;
      const uint8_t scale = in.operands[1].scale;
      if (twice && scale % 2 != 0) return true;
      if (twice || scale == 1) break;
      return origin.from[0] == kAnonymous || low_bits_of(flow, origin.from[0], steps);
    }
    case Op::Sub:
    case Op::Inc:
    case Op::Dec:
    case Op::Neg:
      break;
    default:
      return true;
  }
  bool known = true;
  for (const ValueId from : origin.from) {
    known &= from == kAnonymous || low_bits_of(flow, from, steps);
  }
  return known;
}

bool low_bits_of(const FlowAnalysis& flow, ValueId value, unsigned steps) noexcept {
  if (value == kAnonymous || value < kFirstDefined) return false;
  Instruction in;
  uint64_t at = 0;
  if (steps == 0 || !definition(flow, value, in, at)) return true;
  return low_bits_by(flow, in, flow.room().origins[value], steps - 1);
}

}  // namespace

bool may_know_low_bits(const FlowAnalysis& flow, ValueId value) noexcept {
  constexpr unsigned kMaxDepth = 6;
  return low_bits_of(flow, value, kMaxDepth);
}

NumberRange index_range(FlowAnalysis& flow, uint64_t compare, const FlowState& state,
                        Place operand) noexcept {
  const NumberRange number = by_definition(flow, state.values[operand]);
  if (number.range > kLastPerhaps || !is_compared_before(flow, compare)) return number;
  return {IndexRange::Known, kNoRegister, number.narrow};
}

bool is_unknown_by(const FunctionFacts& facts, const NumberRange& number, unsigned bits) noexcept {
  const bool is_older =
      facts.compiler == Compiler::Clang && facts.version != 0 && facts.version < kFirstByCallers;
  if (number.range == IndexRange::Stored) return is_older;
  if (number.range != IndexRange::Given || number.parameter >= 16) return false;
  // A narrower one was extended by the caller.
  return facts.parameters[number.parameter].bits == bits &&
         (is_older || facts.linkage == Linkage::Global);
}

// gcc's -fsanitize makes its checks when all else is done; others are the program's own.
bool folds_checks(const FunctionFacts& facts) noexcept {
  return facts.compiler == Compiler::Clang ||
         (facts.compiler == Compiler::Gcc && facts.checks == IndexChecks::No);
}

}  // namespace kebound::x86
