// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/index_range.h"

#include "trap/x86/index_chain.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxSteps = 16;

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
// that it sign-extends, though: if that could not be negative, it would be zero-extended.
IndexRange by_definition(FlowAnalysis& flow, Value value) noexcept {
  const unsigned native = flow.code().mode() == CodeMode::Bits64 ? 64 : 32;
  const bool extended =
      value.bits < native && (value.rest == Rest::Sign || value.rest == Rest::SignTo32);
  Instruction in;
  uint64_t at = 0;
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    if (value.rest != Rest::Unrelated && value.bits < 32) return IndexRange::Known;
    if (value.id == kAnonymous) return IndexRange::Unknown;
    if (value.id < kFirstDefined) return extended ? IndexRange::Unknown : IndexRange::Given;
    if (value.id >= kFirstPhi) return IndexRange::Counted;
    if (!definition(flow, value.id, in, at)) return IndexRange::Known;
    switch (in.op) {
      case Op::Mov:
        return is_given_on_stack(flow, in.memory, at) ? IndexRange::Given : IndexRange::Unknown;
      case Op::Movsx:  // of a short: no sum of it overflows
        return in.operands[1].bits < 32 ? IndexRange::Known : IndexRange::Unknown;
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
        return IndexRange::Known;
    }
    const Origin& origin = flow.room().origins[value.id];
    ValueId only = kAnonymous;
    for (unsigned j = 0; j < 3; ++j) {
      if (origin.from[j] == kAnonymous) continue;
      if (only != kAnonymous) return IndexRange::Known;
      only = origin.from[j];
    }
    if (only == kAnonymous) return IndexRange::Unknown;
    value = {only, 64, Rest::Unrelated};
  }
  return IndexRange::Known;
}

// The blocks from which control may come to `own`, it included.
struct BlockSet {
  uint64_t words[(kMaxFlowBlocks + 63) / 64] = {};
  [[nodiscard]] bool has(uint16_t block) const noexcept {
    return block != kNoBlock && (words[block / 64] >> (block % 64) & 1) != 0;
  }
  void add(uint16_t block) noexcept { words[block / 64] |= uint64_t{1} << (block % 64); }
};
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

}  // namespace

IndexRange index_range(FlowAnalysis& flow, uint64_t compare, Op trap, const FlowState& state,
                       Place operand) noexcept {
  const IndexRange range = by_definition(flow, state.values[operand]);
  if (range != IndexRange::Unknown && range != IndexRange::Given) return range;
  return is_compared_elsewhere(flow, compare, trap) ? IndexRange::Known : range;
}

}  // namespace kebound::x86
