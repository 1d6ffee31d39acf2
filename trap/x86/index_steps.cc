// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/index_steps.h"

namespace kebound::x86 {
namespace {

bool is_stack(LinearForm::Atom atom) noexcept {
  return atom == kFirstEntry + Rsp || atom == kFirstEntry + Rbp;
}

int64_t magnitude(int64_t value) noexcept { return value < 0 ? -value : value; }

class StepFinder {
 public:
  StepFinder(FlowAnalysis& flow, const LinearForms& forms, const BoundShape& shape,
             const LinearForm& index, const SisterChecks& sisters, UseRoom& uses) noexcept
      : flow_(flow), forms_(forms), index_(index), sisters_(sisters), uses_(uses) {
    // Rows are at least as long as the index may be great; 0: not known.
    if (shape.limit == BoundShape::Limit::Constant && shape.greatest < INT32_MAX) {
      length_ = static_cast<int64_t>(shape.greatest) + 1;
    }
  }

  void block(uint16_t number) noexcept {
    const FlowBlock& block = flow_.room().blocks[number];
    FlowState state = flow_.room().states[number];
    Instruction in;
    FlowEffect effect;
    uint16_t of_instruction = block.first_number;
    for (uint64_t at = block.begin; at < block.end; at += in.length) {
      if (!flow_.code().decode(at, in)) return;
      if ((uses_.followed[of_instruction / 64] >> (of_instruction % 64) & 1) == 0) {
        access(in, at, state);
      }
      const FlowState before = state;
      flow_.step(in, of_instruction++, state, effect);
      passed_on(in, effect.value_uses, before);
    }
  }

 private:
  // Beside: it moves in step with a part of the index and follows from that alone, but the index
  // has another part, of which it is not known.
  enum class Step : uint8_t { Unrelated, Beside, Unknown, Known };

  // What lies at `address`, which was accessed, or is passed on to be accessed by others.
  [[nodiscard]] Step form_of(const LinearForm& address, AccessForm& form) const noexcept {
    int64_t factor = 0;
    LinearForm rest;
    bool related = false;
    if (!divide(address, index_, factor, rest, related)) {
      if (!related) return Step::Unrelated;
      return is_beside(address) ? Step::Beside : Step::Unknown;
    }
    // A variable is the program's; what compilers keep beside another one is in a register.
    if (magnitude(factor) > INT16_MAX || address.in_memory) return Step::Unknown;
    form.in_step = true;
    form.factor = static_cast<int32_t>(factor);
    const unsigned native = flow_.code().native_bits();
    form.offset = sign_extend(rest.constant, native);
    if (rest.count == 0) {
      const bool is_place = is_address(form.offset);
      form.constant = true;
      form.base = rest.constant & width_mask(native);
      form.offset = 0;
      form.placed = true;
      form.place = form.base;
      return is_place ? Step::Known : Step::Unrelated;
    }
    if (rest.count == 1 && multiple_of(rest.atoms[0], rest.factors[0]) == 1) {
      form.base = rest.atoms[0];
      form.summed = rest.atoms[0] > UINT16_MAX;
      // A table's address and a number are no pointer: the index is the sum of both numbers.
      // Nothing lies in front of a pointer: what it points to and the index began at two places.
      if (is_address(form.offset) && !is_program_address(rest.atoms[0])) return Step::Unknown;
      return form.offset < 0 && !is_stack(rest.atoms[0]) ? Step::Unknown : Step::Known;
    }
    return summed(rest, form);
  }

  // What 32-bit position-independent code adds to the program counter that a function gave it. If
  // that is in a register of the caller's, the function is not known to have changed it.
  [[nodiscard]] bool is_program_address(LinearForm::Atom atom) const noexcept {
    if (flow_.code().mode() != CodeMode::Bits32) return false;
    if (atom == kFirstEntry + Rbx || atom == kFirstEntry + Rsi || atom == kFirstEntry + Rdi) {
      return true;
    }
    Instruction in;
    uint64_t at = 0;
    return atom <= UINT16_MAX && definition(flow_, static_cast<ValueId>(atom), in, at) &&
           in.op == Op::Add && in.operands[1].kind == OperandKind::Immediate &&
           is_address(in.operands[1].immediate);
  }

  // What an offset in bytes is a multiple of, if it is one: 2 of (2 * i & 6).
  [[nodiscard]] int64_t multiple_of(LinearForm::Atom atom, int64_t factor) const noexcept {
    constexpr unsigned kMost = 12;
    if (factor != 1 || atom > UINT16_MAX) return factor;
    const unsigned zeros = flow_.room().zeros[atom];
    return zeros > kMost ? factor : factor << zeros;
  }

  // A pointer, and rows or structures that are chosen by other numbers.
  [[nodiscard]] Step summed(const LinearForm& rest, AccessForm& form) const noexcept {
    const bool fixed = is_address(form.offset);
    unsigned pointers = fixed ? 1 : 0;
    uint64_t name = 0;
    for (unsigned i = 0; i < rest.count; ++i) {
      name += (rest.atoms[i] * 0x9e3779b97f4a7c15u ^ static_cast<uint64_t>(rest.factors[i])) *
              0xbf58476d1ce4e5b9u;
      const int64_t factor = multiple_of(rest.atoms[i], rest.factors[i]);
      if (factor == 1) {
        ++pointers;
      } else if (length_ == 0 || magnitude(factor) < length_ * magnitude(int64_t{form.factor})) {
        form.loose = true;
      }
      form.others[form.other_count++] = static_cast<int32_t>(factor);
    }
    form.summed = true;
    form.base = name;
    form.placed = fixed && pointers == 1;
    form.place = static_cast<uint64_t>(form.offset);
    return pointers == 1 && (form.placed || !form.loose) ? Step::Known : Step::Unknown;
  }

  // It begins at a known place and moves with something that the index is a sum of, and the index
  // has a part, too, that nobody can calculate from that: with different values of it, the same
  // place has different numbers, so no check of what lies there is one of the index.
  [[nodiscard]] bool is_beside(const LinearForm& address) const noexcept {
    const unsigned native = flow_.code().native_bits();
    if (address.in_memory || !is_address(sign_extend(address.constant, native))) return false;
    for (unsigned i = 0; i < address.count; ++i) {
      if (index_.factor_of(address.atoms[i]) == 0) return false;
    }
    for (unsigned i = 0; i < index_.count; ++i) {
      const LinearForm::Atom atom = index_.atoms[i];
      if (address.factor_of(atom) == 0 && forms_.is_of_its_own(atom)) return true;
    }
    return false;
  }

  void access(const Instruction& in, uint64_t at, const FlowState& state) noexcept {
    const Operand& memory = in.memory;
    if (memory.kind != OperandKind::Memory || in.op == Op::Lea || in.op == Op::Nop ||
        in.op == Op::Ud1 || memory.rip_relative || memory.segment == Segment::Fs ||
        memory.segment == Segment::Gs) {
      return;
    }
    LinearForm address;
    address.constant = static_cast<uint64_t>(memory.displacement);
    if (memory.base == Rsp) address.constant += static_cast<uint64_t>(int64_t{state.rsp_offset});
    const uint8_t registers[2] = {memory.base, memory.index};
    for (unsigned i = 0; i < 2; ++i) {
      if (registers[i] == kNoRegister) continue;
      const Value& value = state.values[registers[i] & 15];
      if (is_checked(value) || !forms_.add(value, i == 0 ? 1 : memory.scale, address)) return;
    }
    AccessForm form;
    const Step step = form_of(address, form);
    if (step == Step::Unrelated) return;
    if (step == Step::Beside) {
      uses_.beside = true;
      return;
    }
    uses_.in_step = true;
    if (step == Step::Unknown) {
      uses_.more_steps = true;
      return;
    }
    form.access = at;
    form.bytes = accessed_bytes(in);
    form.proof = proof_of(in, form.factor);
    if (!is_there(form)) add_form(uses_, form);
  }

  // Another check has let it pass.
  [[nodiscard]] bool is_checked(const Value& value) const noexcept {
    for (unsigned i = 0; i < sisters_.other_count; ++i) {
      if (value.bits != 0 && value.id == sisters_.others[i]) return true;
    }
    LinearForm distance;
    if (!forms_.add(value, 1, distance) || !distance.add(index_, -1) || distance.count != 0) {
      return false;
    }
    const int64_t sum = sign_extend(distance.constant, 32);
    return sum != 0 && sisters_.has(sum);
  }

  // The same element, by an address that was calculated.
  [[nodiscard]] bool is_there(const AccessForm& form) const noexcept {
    for (unsigned i = 0; i < uses_.form_count; ++i) {
      const AccessForm& known = uses_.forms[i];
      if (known.in_step || known.constant != form.constant || known.factor != form.factor ||
          known.proof < form.proof) {
        continue;
      }
      const uint64_t distance = known.base + static_cast<uint64_t>(known.offset) - form.base -
                                static_cast<uint64_t>(form.offset);
      const bool same = known.constant || known.base == form.base;
      if (same && !form.summed && distance == 0) return true;
    }
    return false;
  }

  // An address that others may use, or that is used in a way that is not followed.
  void passed_on(const Instruction& in, PlaceSet places, const FlowState& state) noexcept {
    if (in.op == Op::Cmp || in.op == Op::Test) return;
    // The second register of a result is what was left in it, most often.
    if (in.op == Op::Ret) places &= ~place_bit(Rdx);
    for (; places != 0; places &= places - 1) {
      LinearForm value;
      AccessForm form;
      if (!forms_.add(state.values[first_place(places)], 1, value)) continue;
      if (form_of(value, form) == Step::Known) uses_.more_memory = true;
    }
  }

  FlowAnalysis& flow_;
  const LinearForms& forms_;
  const LinearForm& index_;
  const SisterChecks& sisters_;
  UseRoom& uses_;
  int64_t length_ = 0;
};

// The blocks that are reached without going from `from` to `to`.
void find_others(const FlowRoom& room, uint16_t from, uint16_t to, BlockSet& reached) noexcept {
  reached.add(0);
  for (unsigned i = 0; i < room.block_count; ++i) {
    if (room.blocks[i].unknown_entry) reached.add(i);
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned n = 0; n < room.block_count; ++n) {
      const uint16_t i = room.order[n];
      if (!reached.has(i)) continue;
      const uint16_t ways[2] = {room.blocks[i].taken, room.blocks[i].passed};
      for (const uint16_t next : ways) {
        if (next == kNoBlock || reached.has(next) || (i == from && next == to)) continue;
        reached.add(next);
        changed = true;
      }
    }
  }
}

}  // namespace

void note_steps(FlowAnalysis& flow, const LinearForms& forms, const TrapEdge& edge,
                const BoundShape& shape, const LinearForm& index, const SisterChecks& sisters,
                UseRoom& uses) noexcept {
  const FlowRoom& room = flow.room();
  const uint16_t own = flow.block_at(edge.branch);
  Instruction branch;
  // A number that is an address is no index.
  if (index.count == 0 || is_address(static_cast<int64_t>(index.constant)) || own == kNoBlock ||
      !flow.code().decode(edge.branch, branch)) {
    return;
  }
  const bool taken_traps = edge.condition == branch.condition;
  const uint16_t pass = taken_traps ? room.blocks[own].passed : room.blocks[own].taken;
  if (pass == kNoBlock) return;
  BlockSet others;
  find_others(room, own, pass, others);
  StepFinder finder(flow, forms, shape, index, sisters, uses);
  for (uint16_t i = 0; i < room.block_count; ++i) {
    if (room.states[i].reached && !others.has(i)) finder.block(i);
  }
}

}  // namespace kebound::x86
