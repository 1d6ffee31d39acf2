// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/linear_form.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxParts = 24;  // of one sum that are taken apart
constexpr unsigned kMaxSteps = 16;  // instructions between two turns of a loop
constexpr int64_t kMaxFactor = INT32_MAX;
constexpr uint8_t kLeastBits = 32;
constexpr unsigned kMaxWays = 32;  // into a block

// The low bits of a value, extended: a number of its own.
LinearForm::Atom low_bits(const Value& value) noexcept {
  return LinearForm::Atom{value.id} | LinearForm::Atom{value.bits} << 16 |
         LinearForm::Atom{static_cast<uint8_t>(value.rest)} << 24;
}
bool is_value(LinearForm::Atom atom) noexcept { return atom <= UINT16_MAX; }

bool is_zeroing(const Instruction& in) noexcept {
  const Operand& a = in.operands[0];
  const Operand& b = in.operands[1];
  return (in.op == Op::Xor || in.op == Op::Sub) && a.kind == OperandKind::Register &&
         b.kind == OperandKind::Register && a.reg == b.reg;
}

bool add_next(const FlowBlock& block, BlockSet& reached) noexcept {
  bool added = false;
  const uint16_t ways[2] = {block.taken, block.passed};
  for (const uint16_t next : ways) {
    if (next == kNoBlock || reached.has(next)) continue;
    reached.add(next);
    added = true;
  }
  return added;
}

// A way leads from the end of `block` back to it.
bool is_repeated(const FlowRoom& room, uint16_t block) noexcept {
  BlockSet reached;
  for (bool added = add_next(room.blocks[block], reached); added && !reached.has(block);) {
    added = false;
    for (unsigned n = 0; n < room.block_count; ++n) {
      const uint16_t from = room.order[n];
      if (reached.has(from)) added |= add_next(room.blocks[from], reached);
    }
  }
  return reached.has(block);
}

}  // namespace

bool LinearForm::counts_up() const noexcept {
  unsigned loops = 0;
  for (unsigned i = 0; i < count; ++i) {
    if ((atoms[i] & kTurns) == 0) continue;
    if (factors[i] != 1) return false;
    ++loops;
  }
  return loops == 1;
}

bool LinearForm::skips() const noexcept {
  for (unsigned i = 0; i < count; ++i) {
    if ((atoms[i] & kTurns) != 0 && factors[i] != 1 && factors[i] != -1) return true;
  }
  return false;
}

int64_t LinearForm::factor_of(Atom atom) const noexcept {
  for (unsigned i = 0; i < count; ++i) {
    if (atoms[i] == atom) return factors[i];
  }
  return 0;
}

bool LinearForm::add(Atom atom, int64_t factor) noexcept {
  unsigned i = 0;
  while (i < count && atoms[i] != atom) ++i;
  const int64_t sum = factor + (i < count ? factors[i] : 0);
  if (sum > kMaxFactor || sum < -kMaxFactor) return false;
  if (sum == 0) {
    if (i == count) return true;
    --count;
    atoms[i] = atoms[count];
    factors[i] = factors[count];
    return true;
  }
  if (i == count) {
    if (count == kMax) return false;
    atoms[count++] = atom;
  }
  factors[i] = sum;
  return true;
}

bool LinearForm::add(const LinearForm& other, int64_t factor) noexcept {
  constant += static_cast<uint64_t>(factor) * other.constant;
  in_memory |= other.in_memory;
  for (unsigned i = 0; i < other.count; ++i) {
    int64_t product = 0;
    if (__builtin_mul_overflow(factor, other.factors[i], &product) ||
        !add(other.atoms[i], product)) {
      return false;
    }
  }
  return true;
}

bool LinearForms::instruction_of(ValueId value, Instruction& in, uint64_t& at) const noexcept {
  const FlowRoom& room = flow_.room();
  if (value < kFirstDefined || value >= kFirstPhi) return false;
  const unsigned number = (value - kFirstDefined) / kDefinitionsEach;
  if (number >= room.instruction_count) return false;
  at = flow_.code().range().begin + room.offsets[number];
  return flow_.code().decode(at, in);
}

// What lies on the stack may be a counter that was put there, if it is read in a loop.
bool LinearForms::comes_from_elsewhere(ValueId value) const noexcept {
  Instruction in;
  uint64_t at = 0;
  if (!instruction_of(value, in, at)) return false;
  if (in.op == Op::Call) return !in.calls_next && flow_.reads_ip(in) == kNoRegister;
  const bool loads = (in.op == Op::Mov || in.op == Op::Movzx || in.op == Op::Movsx) &&
                     in.operands[0].kind == OperandKind::Register &&
                     in.operands[1].kind == OperandKind::Memory;
  if (!loads) return false;
  if (in.memory.base != Rsp && in.memory.base != Rbp) return true;
  const uint16_t block = flow_.block_at(at);
  return block != kNoBlock && !is_repeated(flow_.room(), block);
}

bool LinearForms::is_of_its_own(LinearForm::Atom atom) const noexcept {
  if ((atom & LinearForm::kTurns) != 0) return false;
  const ValueId value = static_cast<ValueId>(atom & UINT16_MAX);
  if (value < kFirstDefined) return value >= kFirstEntry;
  if (value < kFirstPhi) return comes_from_elsewhere(value);
  const unsigned phi = value - kFirstPhi;
  const LoopCounter& counter = room_.counters[phi];
  return is_value(atom) && counter.other && counter.wanders &&
         flow_.room().phi_place[phi] < kFirstSlot;
}

// What made a value, where that is a sum of at least 32 bits.
bool LinearForms::of_instruction(ValueId value, LinearForm& out) const noexcept {
  const FlowRoom& room = flow_.room();
  Instruction in;
  uint64_t at = 0;
  if ((value - kFirstDefined) % kDefinitionsEach != 0 || !instruction_of(value, in, at))
    return false;
  const Origin& origin = room.origins[value];
  const auto source = [&](unsigned i, int64_t factor) {
    const bool known = origin.from[i] != kAnonymous && origin.factors[i] != 0 &&
                       ((origin.loaded | origin.narrow) >> i & 1) == 0;
    return known && out.add(origin.from[i], factor);
  };
  const Operand& target = in.operands[0];
  const Operand& last = in.operands[in.operand_count == 0 ? 0 : in.operand_count - 1];
  if (in.op == Op::Call && (in.calls_next || flow_.reads_ip(in) != kNoRegister)) {
    out.constant = at + in.length;
    return true;
  }
  if (target.bits < kLeastBits || target.high_byte) return false;
  if (is_zeroing(in)) return true;
  switch (in.op) {
    case Op::Mov:
      out.constant = static_cast<uint64_t>(in.operands[1].immediate);
      return in.operands[1].kind == OperandKind::Immediate;
    case Op::Inc:
    case Op::Dec:
      out.constant = in.op == Op::Inc ? 1 : ~uint64_t{0};
      return source(0, 1);
    case Op::Neg:
    case Op::Not:
      out.constant = in.op == Op::Neg ? 0 : ~uint64_t{0};
      return source(0, -1);
    case Op::Add:
    case Op::Sub: {
      const int64_t sign = in.op == Op::Add ? 1 : -1;
      if (!source(0, 1)) return false;
      if (last.kind != OperandKind::Immediate) return source(1, sign);
      out.constant = static_cast<uint64_t>(sign * last.immediate);
      return true;
    }
    case Op::Lea:
      out.constant = static_cast<uint64_t>(last.displacement);
      return (last.base == kNoRegister || source(0, 1)) &&
             (last.index == kNoRegister || source(1, last.scale));
    case Op::Shl:
      return last.kind == OperandKind::Immediate && last.immediate >= 0 && last.immediate < 16 &&
             source(0, int64_t{1} << last.immediate);
    case Op::Imul:
      return last.kind == OperandKind::Immediate && source(0, last.immediate);
    default:
      return false;
  }
}

bool LinearForms::taken_apart(LinearForm::Atom atom, LinearForm& out) const noexcept {
  out = {};
  if (!is_value(atom) || atom < kFirstDefined) return false;
  const ValueId value = static_cast<ValueId>(atom);
  if (value < kFirstPhi) return of_instruction(value, out);
  const LoopCounter& counter = room_.counters[value - kFirstPhi];
  if (counter.other || !counter.entered) return false;
  const uint16_t block = flow_.room().phi_block[value - kFirstPhi];
  if (counter.entry.bits < kLeastBits) {
    if (!out.add(low_bits(counter.entry), 1)) return false;
  } else if (!out.add(counter.entry.id, 1)) {
    return false;
  }
  if (!counter.returns || counter.step == 0) return true;
  out.in_memory = flow_.room().phi_place[value - kFirstPhi] >= kFirstSlot;
  // The turns of the loop are the same for what is entered by the same ways.
  return counter.entries == room_.entries[block] &&
         out.add(LinearForm::kTurns | block, counter.step);
}

bool LinearForms::add(const Value& value, int64_t factor, LinearForm& form) const noexcept {
  if (value.id == kAnonymous || value.bits == 0) return false;
  if (value.bits < kLeastBits) return form.add(low_bits(value), factor);
  LinearForm whole;
  if (!whole.add(value.id, factor)) return false;
  LinearForm leaves;
  for (unsigned parts = 0; whole.count != 0; ++parts) {
    const LinearForm::Atom atom = whole.atoms[0];
    const int64_t by = whole.factors[0];
    if (!whole.add(atom, -by)) return false;
    LinearForm part;
    LinearForm more = whole;
    if (parts < kMaxParts && taken_apart(atom, part) && more.add(part, by)) {
      whole = more;
    } else if (!leaves.add(atom, by)) {
      return false;
    }
  }
  leaves.constant = whole.constant;
  leaves.in_memory = whole.in_memory;
  return form.add(leaves, 1);
}

// The value is `phi` plus a constant.
bool LinearForms::is_step(ValueId value, ValueId phi, int32_t& step) const noexcept {
  uint64_t sum = 0;
  for (unsigned i = 0; i < kMaxSteps && value != phi; ++i) {
    LinearForm form;
    if (value < kFirstDefined || value >= kFirstPhi || !of_instruction(value, form)) return false;
    if (form.count != 1 || form.factors[0] != 1 || !is_value(form.atoms[0])) return false;
    sum += form.constant;
    value = static_cast<ValueId>(form.atoms[0]);
  }
  const int64_t by = static_cast<int64_t>(sum);
  if (value != phi || by > INT32_MAX || by < INT32_MIN) return false;
  step = static_cast<int32_t>(by);
  return true;
}

void LinearForms::note(LoopCounter& counter, ValueId phi, uint32_t way,
                       const Value& value) noexcept {
  if (value.id == kAnonymous || value.bits == 0) {
    counter.other = true;
    return;
  }
  int32_t step = 0;
  if (value.bits >= kLeastBits && is_step(value.id, phi, step)) {
    counter.other |= counter.returns && counter.step != step;
    counter.returns = true;
    counter.step = step;
    return;
  }
  Instruction in;
  uint64_t at = 0;
  counter.wanders |=
      comes_from_elsewhere(value.id) || (instruction_of(value.id, in, at) && in.op == Op::Cmov);
  counter.other |= counter.entered && counter.entry != value;
  counter.entered = true;
  counter.entry = value;
  counter.entries |= way;
}

// One of the ways into `block`.
void LinearForms::join(uint16_t block, const FlowState& from) noexcept {
  const FlowRoom& room = flow_.room();
  const unsigned way = room_.ways[block];
  if (way < kMaxWays) ++room_.ways[block];
  const unsigned places = kFirstSlot + room.slots.count;
  for (unsigned i = 0; i < places; ++i) {
    const ValueId phi = room.states[block].values[i].id;
    if (phi < kFirstPhi || room.phi_block[phi - kFirstPhi] != block ||
        room.phi_place[phi - kFirstPhi] != i) {
      continue;
    }
    LoopCounter& counter = room_.counters[phi - kFirstPhi];
    if (way == kMaxWays || room.blocks[block].unknown_entry) {
      counter.other = true;
    } else {
      note(counter, phi, uint32_t{1} << way, from.values[i]);
    }
  }
}

void LinearForms::find_counters(FlowAnalysis& flow) noexcept {
  const FlowRoom& room = flow.room();
  for (unsigned i = 0; i < room.phi_count; ++i) room_.counters[i] = {};
  for (unsigned i = 0; i < room.block_count; ++i) {
    room_.ways[i] = 0;
    room_.entries[i] = 0;
  }
  // The way into the function itself.
  FlowState state;
  const uint8_t bits = flow.code().native_bits();
  for (uint8_t reg = 0; reg < 16; ++reg) {
    state.values[reg] = {static_cast<ValueId>(kFirstEntry + reg), bits, Rest::Unrelated};
  }
  join(0, state);
  Instruction in;
  FlowEffect effect;
  for (unsigned i = 0; i < room.block_count; ++i) {
    const FlowBlock& block = room.blocks[i];
    if (!room.states[i].reached) continue;
    state = room.states[i];
    uint16_t number = block.first_number;
    for (uint64_t at = block.begin; at < block.end; at += in.length) {
      if (!flow.code().decode(at, in)) return;
      flow.step(in, number++, state, effect);
    }
    if (block.taken != kNoBlock) join(block.taken, state);
    if (block.passed != kNoBlock) join(block.passed, state);
  }
  for (unsigned i = 0; i < room.phi_count; ++i) {
    const LoopCounter& counter = room_.counters[i];
    if (counter.other || !counter.returns || counter.step == 0) continue;
    uint32_t& entries = room_.entries[room.phi_block[i]];
    if (entries == 0) entries = counter.entries;
  }
}

bool divide(const LinearForm& address, const LinearForm& index, int64_t& factor, LinearForm& rest,
            bool& related) noexcept {
  related = false;
  for (unsigned i = 0; i < index.count; ++i) related |= address.factor_of(index.atoms[i]) != 0;
  if (!related) return false;
  const int64_t whole = address.factor_of(index.atoms[0]);
  if (whole % index.factors[0] != 0) return false;
  factor = whole / index.factors[0];
  rest = address;
  if (factor == 0 || !rest.add(index, -factor)) return false;
  for (unsigned i = 0; i < index.count; ++i) {
    if (rest.factor_of(index.atoms[i]) != 0) return false;
  }
  return true;
}

}  // namespace kebound::x86
