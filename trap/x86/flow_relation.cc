// SPDX-License-Identifier: Apache-2.0
//
// Which values of a function have to do with an index.
#include "trap/x86/compare.h"
#include "trap/x86/flow_analysis.h"
#include "trap/x86/index_chain.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxChain = 16;    // blocks that are looked at before a load
constexpr unsigned kMaxGuards = 512;  // loads that are looked at that way
constexpr unsigned kMaxPasses = 64;   // over all values

bool has_bit(const uint64_t* words, ValueId id) noexcept {
  return (words[id / 64] >> (id % 64) & 1) != 0;
}
void set_bit(uint64_t* words, ValueId id) noexcept { words[id / 64] |= uint64_t{1} << (id % 64); }

// How many low bits of `from` an instruction's result `value` depends on, where it is a sum or a
// multiple of it: those of both are the same.
unsigned bits_read(FlowAnalysis& flow, ValueId value, ValueId from) noexcept {
  constexpr unsigned kAll = 64;
  Instruction in;
  uint64_t at = 0;
  FlowState state;
  if (!definition(flow, value, in, at) || !flow.state_before(at, state)) return kAll;
  unsigned bits = 0;
  for (unsigned i = 0; i < kFirstSlot; ++i) {
    const Value& held = state.values[i];
    if ((in.reads >> i & 1) == 0 || held.id != from) continue;
    const unsigned known = held.rest == Rest::Unrelated ? kAll : held.bits;
    if (bits < known) bits = known;
  }
  return bits == 0 ? kAll : bits;
}

// What lies above the lower bits of a value has nothing of them.
bool reads_above(FlowAnalysis& flow, ValueId value, unsigned bits) noexcept {
  Instruction in;
  uint64_t at = 0;
  if (!definition(flow, value, in, at)) return false;
  if (in.op == Op::Movzx || in.op == Op::Movsx || in.op == Op::Mov) {
    return bits <= 8 && in.operands[1].high_byte;
  }
  const bool shifts = (in.op == Op::Shr || in.op == Op::Sar) &&
                      in.operands[1].kind == OperandKind::Immediate &&
                      in.operands[1].immediate >= static_cast<int64_t>(bits) &&
                      in.operands[1].immediate < in.operands[0].bits;
  if (!shifts || in.operands[0].kind != OperandKind::Register) return shifts;
  // Copies of the sign are no bits of their own.
  FlowState state;
  if (!flow.state_before(at, state)) return false;
  const Value& held = state.values[in.operands[0].reg & 15];
  return held.bits > bits || held.rest == Rest::Zero || held.rest == Rest::Unrelated;
}

}  // namespace

void FlowAnalysis::mark_related(ValueId value, unsigned bits) noexcept {
  const ValueId index = value;
  LowBits root = {value, bits};
  for (uint64_t& word : room_.related) word = 0;
  // Up: what the value is one to one with.
  for (unsigned i = 0; i < kMaxFlowInstructions && value != kAnonymous && !is_related(value); ++i) {
    set_bit(room_.related, value);
    const Origin& origin = room_.origins[value];
    ValueId only = kAnonymous;
    unsigned count = 0;
    for (unsigned j = 0; j < 3; ++j) {
      if (origin.from[j] == kAnonymous) continue;
      // k + k is one of k only.
      const bool again = j != 0 && origin.from[j] == origin.from[0] && origin.factors[0] != 0;
      if (!again) ++count;
      if (origin.factors[j] != 0) only = origin.from[j];
    }
    if (value >= kFirstPhi || count != 1) break;
    // The low bits of a sum are made of the low bits of what is added.
    const unsigned read = only == kAnonymous ? 0 : bits_read(*this, value, only);
    if (only != kAnonymous) root = {only, read < root.bits ? read : root.bits};
    value = only;
  }
  // Down: all that has one of them in it.
  for (unsigned id = kFirstDefined; id < value_end(); id = next_value(id)) {
    if (room_.origins[id].more) set_bit(room_.related, static_cast<ValueId>(id));
  }
  const LowBits parts[2] = {{index, bits}, root};
  mark_descendants(room_.related, parts);
  mark_unlinear();
  mark_stale(index);
}

bool FlowAnalysis::uses_entry_of(Gpr reg) const noexcept {
  const ValueId entry = static_cast<ValueId>(kFirstEntry + reg);
  for (unsigned id = kFirstDefined; id < value_end(); id = next_value(id)) {
    for (const ValueId from : room_.origins[id].from) {
      if (from == entry) return true;
    }
  }
  return false;
}

void FlowAnalysis::mark_unlinear() noexcept {
  for (uint64_t& word : room_.unlinear) word = 0;
  bool any = false;
  for (unsigned id = kFirstDefined; id < room_.defined_end; ++id) {
    const Origin& origin = room_.origins[id];
    bool unlinear = false;
    for (unsigned j = 0; j < 3; ++j) {
      unlinear |= origin.from[j] != kAnonymous && (origin.loaded >> j & 1) == 0 &&
                  origin.factors[j] == 0 && is_related(origin.from[j]);
    }
    // What has only bits above the index' is calculated from a relative, and is none.
    if (!unlinear || !is_related(static_cast<ValueId>(id))) continue;
    set_bit(room_.unlinear, static_cast<ValueId>(id));
    any = true;
  }
  if (any) mark_descendants(room_.unlinear);
}

// gcc reads the old value of a[i] += x before it checks i. What was read so is nothing that another
// index would have given.
void FlowAnalysis::mark_stale(ValueId index) noexcept {
  for (uint64_t& word : room_.stale) word = 0;
  bool any = false;
  for (unsigned id = kFirstDefined; id < room_.defined_end; ++id) {
    const Origin& origin = room_.origins[id];
    bool by_index = false;
    for (unsigned j = 0; j < 3; ++j) {
      by_index |= (origin.loaded >> j & 1) != 0 && is_related(origin.from[j]);
    }
    if (!by_index || is_guarded(static_cast<ValueId>(id), index)) continue;
    set_bit(room_.stale, static_cast<ValueId>(id));
    any = true;
  }
  if (any) mark_descendants(room_.stale);
}

// The instruction has made `value` of bits that lie above one of `parts`, and of nothing else.
bool FlowAnalysis::is_apart(ValueId value, const LowBits* parts) noexcept {
  const Origin& origin = room_.origins[value];
  if (parts == nullptr || origin.factors[0] != 0 || origin.from[1] != kAnonymous) return false;
  for (unsigned i = 0; i < 2; ++i) {
    if (parts[i].value != kAnonymous && origin.from[0] == parts[i].value &&
        reads_above(*this, value, parts[i].bits)) {
      return true;
    }
  }
  return false;
}

// Adds what was calculated from what is marked.
void FlowAnalysis::mark_descendants(uint64_t* marked, const LowBits* parts) noexcept {
  bool changed = true;
  for (unsigned pass = 0; changed; ++pass) {
    changed = false;
    for (unsigned id = kFirstDefined; id < value_end(); id = next_value(id)) {
      if (pass == kMaxPasses) set_bit(marked, static_cast<ValueId>(id));
      if (has_bit(marked, static_cast<ValueId>(id))) continue;
      const Origin& origin = room_.origins[id];
      bool related = false;
      for (unsigned j = 0; j < 3; ++j) {
        related |= origin.from[j] != kAnonymous && (origin.loaded >> j & 1) == 0 &&
                   has_bit(marked, origin.from[j]);
      }
      if (!related) continue;
      if (pass < kMaxPasses && is_apart(static_cast<ValueId>(id), parts)) continue;
      set_bit(marked, static_cast<ValueId>(id));
      changed = true;
    }
  }
}

// The index of the read may have been calculated anew for the check, so that it does not look like
// the checked one. What was read that way matters where the checked access stores it.
void FlowAnalysis::mark_suspect(uint64_t compare) noexcept {
  for (uint64_t& word : room_.suspect) word = 0;
  uint16_t block = block_at(compare);
  for (unsigned i = 0; i < kMaxChain && block != kNoBlock; ++i) {
    mark_suspects_of(block, compare);
    block = only_predecessor(block);
  }
  mark_descendants(room_.suspect);
}

void FlowAnalysis::mark_suspects_of(uint16_t block, uint64_t end) noexcept {
  FlowState state = room_.states[block];
  Instruction in;
  FlowEffect effect;
  uint16_t number = room_.blocks[block].first_number;
  for (uint64_t at = room_.blocks[block].begin; at < room_.blocks[block].end && at != end;
       at += in.length) {
    if (!code_.decode(at, in)) return;
    const Operand& memory = in.memory;
    // In an array: there is an index, or the address was calculated.
    Place place = kNoPlace;
    if (memory.kind == OperandKind::Memory && in.reads_memory && in.op != Op::Lea) {
      if (memory.index != kNoRegister) {
        place = memory.index;
      } else if (memory.base < kFirstSlot && memory.base != Rbp && memory.base != Rsp) {
        const ValueId base = state.values[memory.base].id;
        if (base >= kFirstDefined && room_.origins[base].from[1] != kAnonymous) place = memory.base;
      }
    }
    const ValueId index = place == kNoPlace ? kAnonymous : state.values[place].id;
    const ValueId loaded = defined_value(number, 0);
    step(in, number++, state, effect);
    if (place != kNoPlace && !is_guarded(loaded, index)) set_bit(room_.suspect, loaded);
  }
}

uint16_t FlowAnalysis::only_predecessor(uint16_t block) const noexcept {
  uint16_t found = kNoBlock;
  if (room_.blocks[block].unknown_entry) return kNoBlock;
  for (uint16_t i = 0; i < room_.block_count; ++i) {
    if (room_.blocks[i].taken != block && room_.blocks[i].passed != block) continue;
    if (!room_.states[i].reached) continue;
    if (found != kNoBlock) return kNoBlock;
    found = i;
  }
  return found;
}

// A check of `by` was passed right before the instruction that loaded the value: no way leads in
// between.
bool FlowAnalysis::is_guarded(ValueId loaded, ValueId by) noexcept {
  if (++guards_ > kMaxGuards) return false;
  const uint16_t number = static_cast<uint16_t>((loaded - kFirstDefined) / kDefinitionsEach);
  uint16_t block = 0;
  while (block + 1u < room_.block_count && room_.blocks[block + 1].first_number <= number) ++block;
  for (unsigned i = 0; i < kMaxChain; ++i) {
    const uint16_t before = only_predecessor(block);
    if (before == kNoBlock) return false;
    const FlowBlock& from = room_.blocks[before];
    TrapEdge edge;
    edge.branch = code_.previous(from.end);
    Instruction jump;
    Instruction compare;
    BoundShape shape;
    if (code_.decode(edge.branch, jump) && jump.op == Op::Jcc) {
      const bool taken_traps = from.passed == block && is_trap(jump.target);
      const bool passed_traps = from.taken == block && is_trap(from.end);
      const uint8_t condition = static_cast<uint8_t>(jump.condition ^ (passed_traps ? 1 : 0));
      find_branch_compare(code_, edge);
      FlowState state;
      if (taken_traps != passed_traps && edge.compare != 0 && code_.decode(edge.compare, compare) &&
          bound_shape(compare, condition, shape) && state_before(edge.compare, state)) {
        const Place place =
            place_of(compare.operands[shape.index_operand], state, room_.slots, false);
        if (place != kNoPlace && state.values[place].bits != 0 && state.values[place].id == by) {
          return true;
        }
      }
    }
    block = before;
  }
  return false;
}

}  // namespace kebound::x86
