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

// A parameter on the stack whose values the compiler may know. In 32-bit code the callers are known
// only of functions that have their first ones in registers: of those that are called by a pointer
// or from elsewhere, all are on the stack.
bool is_given_on_stack(FlowAnalysis& flow, const Operand& memory, uint64_t at) noexcept {
  if (memory.kind != OperandKind::Memory) return false;
  if (memory.base == Rbp) {
    if (memory.displacement <= 0) return false;
  } else {
    FlowState state;
    if (memory.base != Rsp || !flow.state_before(at, state) || state.rsp_generation != 0 ||
        state.rsp_offset + memory.displacement <= 0) {
      return false;
    }
  }
  return flow.code().mode() == CodeMode::Bits64 || flow.uses_entry_of(Rcx) ||
         flow.uses_entry_of(Rdx) || flow.uses_entry_of(Rax);
}

// By how it was calculated.
//
// clang knows what the callers of a static function give to it: of table[k + 3] with k from an
// unsigned char it makes "k < 7" there, too, and nothing in the function shows why. Not of an int
// that it sign-extends, though: if that could not be negative, it would be zero-extended. It knows
// as well what is stored in a static variable.
NumberRange by_definition(FlowAnalysis& flow, Value value) noexcept {
  const unsigned native = flow.code().native_bits();
  Instruction in;
  uint64_t at = 0;
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    const bool extended =
        value.bits < native && (value.rest == Rest::Sign || value.rest == Rest::SignTo32);
    // No sum or multiple of what has less bits overflows.
    const uint8_t least = i == 0 ? uint8_t{32} : static_cast<uint8_t>(native);
    if (value.rest == Rest::Zero && value.bits < least) return {IndexRange::Known};
    if (value.rest != Rest::Unrelated && value.bits < 32) return {IndexRange::Known};
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
        if (!extended && is_given_on_stack(flow, in.memory, at)) return {IndexRange::Given};
        return {};
      case Op::Movsx:
        return {in.operands[1].bits < 32 ? IndexRange::Known : IndexRange::Unknown};
      case Op::Add:
      case Op::Sub:
      case Op::Lea:
      case Op::Inc:
      case Op::Dec:
      case Op::Neg:
      case Op::Shl:
      case Op::Imul:
        break;
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
    // Of what is added to a sum nothing is left that could be moved to the limit.
    value = factor == 1 ? Value{only, 64, Rest::Unrelated} : operand_value(flow, in, at, only);
  }
  return {IndexRange::Known};
}

// Of a number that is 0 where `mask` is.
bool is_low_mask(int64_t mask) noexcept { return (mask & (mask + 1)) == 0; }

// The blocks from which control may come to `own`, it included.
void find_ways(const FlowRoom& room, uint16_t own, BlockSet& ways) noexcept {
  ways.add(own);
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned i = room.block_count; i-- > 0;) {
      const uint16_t block = static_cast<uint16_t>(i);
      if (ways.has(block)) continue;
      if (!ways.has(room.blocks[i].taken) && !ways.has(room.blocks[i].passed)) continue;
      ways.add(block);
      changed = true;
    }
  }
}

// The block ends in a check whose trap is of that sort.
bool ends_in_check(const FlowAnalysis& flow, const FlowBlock& block, Op trap) noexcept {
  Instruction in;
  const uint64_t last = flow.code().previous(block.end);
  if (!flow.code().decode(last, in) || in.op != Op::Jcc) return false;
  const bool taken_traps = flow.is_trap(in.target);
  if (taken_traps == flow.is_trap(block.end)) return false;
  const uint64_t leads_to = taken_traps ? in.target : block.end;
  return flow.code().decode_anywhere(leads_to, in) && in.op == trap;
}

// By another compare of it, or of what was calculated from it: on a way to this one, or of another
// check behind it, as of two checks with nothing between them either may come first. clang's second
// check of the same access is none of these.
bool is_compared_elsewhere(FlowAnalysis& flow, uint64_t compare, Op trap) noexcept {
  FlowRoom& room = flow.room();
  const uint16_t own = flow.block_at(compare);
  if (own == kNoBlock) return true;
  BlockSet ways;
  find_ways(room, own, ways);
  Instruction in;
  FlowEffect effect;
  for (uint16_t i = 0; i < room.block_count; ++i) {
    const FlowBlock& block = room.blocks[i];
    if (!room.states[i].reached) continue;
    if (!ways.has(i) && !ends_in_check(flow, block, trap)) continue;
    FlowState state = room.states[i];
    uint16_t number = block.first_number;
    for (uint64_t at = block.begin; at < block.end; at += in.length) {
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

NumberRange index_range(FlowAnalysis& flow, uint64_t compare, Op trap, const FlowState& state,
                        Place operand) noexcept {
  NumberRange number = by_definition(flow, state.values[operand]);
  // The compare reads it from memory.
  if (number.range == IndexRange::Unknown && operand >= kFirstSlot &&
      flow.room().slots.slots[operand - kFirstSlot].base == kNoRegister) {
    number.range = IndexRange::Stored;
  }
  if (number.range > kLastPerhaps || !is_compared_elsewhere(flow, compare, trap)) return number;
  return {IndexRange::Known};
}

bool is_unknown_by(const FunctionFacts& facts, const NumberRange& number, unsigned bits) noexcept {
  const bool is_older =
      facts.compiler == Compiler::Clang && facts.version != 0 && facts.version < kFirstByCallers;
  if (number.range == IndexRange::Stored) return is_older;
  if (number.range != IndexRange::Given) return false;
  // A narrower one was extended by the caller; from the stack it would be read as what it is.
  const bool is_whole = number.parameter >= 16 || facts.parameters[number.parameter].bits == bits;
  return is_whole && (is_older || facts.linkage == Linkage::Global);
}

bool is_limit_unfolded(FlowAnalysis& flow, const Instruction& compare, const BoundShape& shape,
                       const FlowState& state) noexcept {
  const unsigned native = flow.code().native_bits();
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

// gcc's -fsanitize makes its checks when all else is done; others are the program's own.
bool folds_checks(const FunctionFacts& facts) noexcept {
  return facts.compiler == Compiler::Clang ||
         (facts.compiler == Compiler::Gcc && facts.checks == IndexChecks::No);
}

}  // namespace kebound::x86
