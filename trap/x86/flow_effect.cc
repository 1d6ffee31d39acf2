// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/flow_stores.h"

namespace kebound::x86 {
namespace {

// What a function may change and what it may be passed, by the System V ABIs.
// gcc knows what a function that it has compiled leaves alone (-fipa-ra): behind a direct call,
// only the registers of the result are sure to be others.
constexpr uint32_t kCallClobbers64 = 1u << Rax | 1u << Rcx | 1u << Rdx | 1u << Rsi | 1u << Rdi |
                                     1u << R8 | 1u << R9 | 1u << R10 | 1u << R11;
constexpr uint32_t kCallClobbers32 = 1u << Rax | 1u << Rcx | 1u << Rdx;
constexpr uint32_t kArguments64 =
    1u << Rdi | 1u << Rsi | 1u << Rdx | 1u << Rcx | 1u << R8 | 1u << R9 | 1u << Rax;
constexpr uint32_t kArguments32 = 1u << Rax | 1u << Rcx | 1u << Rdx;  // regparm
constexpr int64_t kArgumentArea = 64;  // bytes on the stack that a call may read

class Builder : EffectStores {
 public:
  using EffectStores::EffectStores;

  void run() noexcept {
    out_ = {};
    out_.rsp_generation = state_.rsp_generation;
    out_.rsp_offset = state_.rsp_offset;
    note_address();
    operation();
    note_rsp();
    forget_renamed_slots();
  }

 private:
  void operation() noexcept {
    switch (in_.op) {
      case Op::Mov:
        return move(Extend::None);
      case Op::Movzx:
        return move(Extend::Zero);
      case Op::Movsx:
        return move(Extend::Sign);
      case Op::Lea:
        return load_address();
      case Op::Cmp:
      case Op::Test:
      case Op::Bt:
        out_.value_uses |= place_bit(place(0, true)) | place_bit(place(1, true));
        return;
      case Op::Add:
      case Op::Sub:
        return sum();
      case Op::Inc:
      case Op::Dec:
      case Op::Neg:
      case Op::Not:
        return modify(1);
      case Op::Shl:
      case Op::Imul:
        return multiply();
      case Op::Xor:
        if (is_zeroing()) return clear();
        return modify(0);
      case Op::And:
      case Op::Or:
      case Op::Shr:
      case Op::Sar:
      case Op::Adc:
      case Op::Sbb:
      case Op::Cmov:
        return modify(0);
      case Op::Setcc:
        return overwrite(0, fresh(0, 0));
      case Op::Xchg:
        return exchange();
      case Op::Cqo:
        assign(Rdx, Assignment::Kind::Fresh, fresh(0, native_));
        return;
      case Op::Push:
        return push();
      case Op::Pop:
        return pop();
      case Op::Call:
      case Op::CallIndirect:
        return call();
      case Op::Ret:
        out_.value_uses |= place_bit(Rax) | place_bit(Rdx);
        return;
      case Op::Jcc:
      case Op::Jmp:
      case Op::Nop:
      case Op::Endbr:
      case Op::Ud1:
      case Op::Ud2:
      case Op::Int3:
        return;
      case Op::JmpIndirect:
      case Op::Loop:
      case Op::Other:
        return other();
    }
  }

  enum class Extend : uint8_t { None, Zero, Sign };

  [[nodiscard]] static Value extended(Value q, unsigned source_bits, Extend extend) noexcept {
    if (extend == Extend::None || q.bits == 0) return q;
    if (q.bits >= source_bits) {
      q.rest = extend == Extend::Zero ? Rest::Zero : Rest::Sign;
    } else if (q.rest == Rest::Sign && extend == Extend::Zero) {
      q.bits = 0;
    }
    return q;
  }

  void move(Extend extend) noexcept {
    const Operand& target = in_.operands[0];
    const Operand& source = in_.operands[1];
    const Place from = place(1, false);
    if (from == kNoPlace || source.high_byte || target.high_byte) {
      if (source.kind == OperandKind::Immediate) return overwrite(0, fresh(0, target.bits));
      Assignment& a = store(0, Assignment::Kind::Derived, fresh(0, target.bits));
      if (source.kind == OperandKind::Register) {
        a.sources[0] = source.reg & 15;
      } else {
        add_load(a);
      }
      return;
    }
    Value value = held(from);
    // What a slot holds is known by this load from now on.
    if (from >= kFirstSlot && (value.id == kAnonymous || value.bits == 0)) {
      const unsigned size = slots_.slots[from - kFirstSlot].size * 8u;
      value = fresh(1, size);
      assign(from, Assignment::Kind::Derived, value).sources[0] = from;
    }
    const Value read = extended(narrowed(value, source.bits), source.bits, extend);
    store(0, Assignment::Kind::Copy, read).sources[0] = from;
  }

  // Operand 0 becomes a function of all operands; `factor` is its own, the others' are not known.
  void modify(int32_t factor) noexcept {
    if (in_.op == Op::Neg || in_.op == Op::Not) factor = -1;
    Assignment& a = store(0, Assignment::Kind::Derived, fresh(0, in_.operands[0].bits));
    a.sources[0] = place(0, false);
    a.factors[0] = factor;
    if (in_.operand_count > 1) a.sources[1] = place(1, false);
    add_load(a);
  }

  void sum() noexcept {
    if (in_.op == Op::Sub && is_zeroing()) return clear();
    if (in_.operands[0].kind == OperandKind::Register && in_.operands[0].reg == Rsp) return;
    Assignment& a = store(0, Assignment::Kind::Derived, fresh(0, in_.operands[0].bits));
    a.sources[0] = place(0, false);
    a.factors[0] = 1;
    a.sources[1] = place(1, false);
    a.factors[1] = in_.op == Op::Add ? 1 : -1;
    add_load(a);
  }

  void multiply() noexcept {
    const unsigned count = in_.operand_count;
    const Operand& last = in_.operands[count - 1];
    int32_t factor = 0;
    if (last.kind == OperandKind::Immediate) {
      const int64_t by = in_.op == Op::Shl ? int64_t{1} << (last.immediate & 31) : last.immediate;
      if (by >= INT16_MIN && by <= INT16_MAX) factor = static_cast<int32_t>(by);
    }
    Assignment& a = store(0, Assignment::Kind::Derived, fresh(0, in_.operands[0].bits));
    const unsigned first = count == 3 ? 1 : 0;
    a.sources[0] = place(first, false);
    a.factors[0] = factor;
    if (last.kind != OperandKind::Immediate) a.sources[1] = place(count - 1, false);
    add_load(a);
  }

  void load_address() noexcept {
    const Operand& memory = in_.operands[1];
    if (in_.operands[0].reg == Rsp) return;
    if (memory.base == Rbp || memory.base == Rsp) escape(memory);
    Assignment& a = store(0, Assignment::Kind::Derived, fresh(0, in_.operands[0].bits));
    if (memory.base != kNoRegister) {
      a.sources[0] = memory.base;
      a.factors[0] = 1;
    }
    if (memory.index != kNoRegister) {
      a.sources[1] = memory.index;
      a.factors[1] = memory.scale;
    }
  }

  [[nodiscard]] bool is_zeroing() const noexcept {
    const Operand& a = in_.operands[0];
    const Operand& b = in_.operands[1];
    return a.kind == OperandKind::Register && b.kind == OperandKind::Register && a.reg == b.reg &&
           a.high_byte == b.high_byte;
  }
  void clear() noexcept { overwrite(0, fresh(0, in_.operands[0].bits)); }

  void exchange() noexcept {
    const Place a = place(0, false);
    const Place b = place(1, false);
    const bool whole = a < kFirstSlot && b < kFirstSlot && in_.operands[0].bits == native_;
    if (whole) {
      assign(a, Assignment::Kind::Copy, held(b)).sources[0] = b;
      assign(b, Assignment::Kind::Copy, held(a)).sources[0] = a;
      return;
    }
    modify(0);
    if (b < kFirstSlot) {
      Assignment& second = assign(b, Assignment::Kind::Derived, fresh(1, native_));
      second.sources[0] = a;
      second.sources[1] = b;
    }
  }

  void push() noexcept { push_from(place(0, false)); }

  // `from`: what is pushed; kNoPlace for what nothing is known about.
  void push_from(Place from) noexcept {
    const int32_t bytes = static_cast<int32_t>(native_ / 8);
    out_.rsp_offset -= bytes;
    Slot slot;
    slot.base = Rsp;
    slot.size = static_cast<uint8_t>(bytes);
    slot.generation = state_.rsp_generation;
    slot.displacement = out_.rsp_offset;
    Place to = find_slot(slots_, slot, true);
    if (to == kNoPlace) to = make_slot(slots_, slot);
    damage_overlapping(slot, to);
    if (to == kNoPlace) {
      out_.lost |= place_bit(from);
    } else if (from == kNoPlace) {
      assign(to, Assignment::Kind::Fresh, fresh(0, native_));
    } else {
      assign(to, Assignment::Kind::Copy, narrowed(held(from), native_)).sources[0] = from;
    }
  }

  void pop() noexcept {
    const int32_t bytes = static_cast<int32_t>(native_ / 8);
    Slot slot;
    slot.base = Rsp;
    slot.size = static_cast<uint8_t>(bytes);
    slot.generation = state_.rsp_generation;
    slot.displacement = state_.rsp_offset;
    out_.rsp_offset += bytes;
    const Place from = find_slot(slots_, slot, true);
    if (in_.operands[0].kind != OperandKind::Register || from == kNoPlace) {
      return overwrite(0, fresh(0, native_));
    }
    assign(in_.operands[0].reg & 15, Assignment::Kind::Copy, held(from)).sources[0] = from;
  }

  void call() noexcept {
    if (in_.calls_next) return push_from(kNoPlace);
    const bool wide = native_ == 64;
    out_.calls = true;
    const uint32_t clobbered = wide ? kCallClobbers64 : kCallClobbers32;
    if (in_.op == Op::Call) {
      out_.damaged |= clobbered;
    } else {
      out_.clobbered |= clobbered;
    }
    assign(Rax, Assignment::Kind::Fresh, fresh(0, native_));
    assign(Rdx, Assignment::Kind::Fresh, fresh(1, native_));
    out_.value_uses |= wide ? kArguments64 : kArguments32;
    for (unsigned i = 0; i < slots_.count; ++i) {
      const Slot& slot = slots_.slots[i];
      if (slot.base == Rsp && slot.generation == state_.rsp_generation &&
          slot.displacement >= state_.rsp_offset &&
          slot.displacement < state_.rsp_offset + kArgumentArea) {
        out_.value_uses |= place_bit(static_cast<Place>(kFirstSlot + i));
      }
    }
    pointer_store();
  }

  void other() noexcept {
    if (in_.reads == kAllRegisters && in_.writes == kAllRegisters) {
      out_.barrier = true;
      return;
    }
    const Operand& memory = in_.memory;
    uint32_t read = in_.reads;
    if (memory.kind == OperandKind::Memory)
      read &= ~(register_bit(memory.base) | register_bit(memory.index));
    out_.value_uses |= read;
    Place sources[3] = {kNoPlace, kNoPlace, kNoPlace};
    unsigned count = 0;
    for (Place reg = 0; reg < 16; ++reg) {
      if ((in_.reads >> reg & 1) != 0 && count < 3) sources[count++] = reg;
    }
    unsigned which = 0;
    for (Place reg = 0; reg < 16; ++reg) {
      if ((in_.writes >> reg & 1) == 0 || reg == Rsp) continue;
      if (which == kDefinitionsEach) {
        out_.clobbered |= place_bit(reg);
        continue;
      }
      Assignment& a = assign(reg, Assignment::Kind::Derived, fresh(which++, native_));
      for (unsigned i = 0; i < 3; ++i) a.sources[i] = sources[i];
      add_load(a);
    }
    if (in_.writes_memory) {
      other_store(memory);
    } else if (which == 0 && in_.reads_memory) {
      vector_load(memory);
    } else if (which == 0) {
      out_.value_uses |= place_bit(kVectors);
    }
  }

  void vector_load(const Operand& memory) noexcept {
    Slot slot;
    Assignment& a = assign(kVectors, Assignment::Kind::Derived, fresh(0, 0));
    a.sources[0] = kVectors;
    if (memory.kind == OperandKind::Memory && slot_of(memory, 64, state_, slot) && on_stack(slot)) {
      a.sources[1] = find_slot(slots_, slot, false);
    }
    add_load(a);
  }

  void other_store(const Operand& memory) noexcept {
    Slot slot;
    if (memory.kind != OperandKind::Memory || !slot_of(memory, 64, state_, slot) ||
        !on_stack(slot)) {
      out_.value_uses |= place_bit(kVectors);
      return pointer_store();
    }
    Place to = find_slot(slots_, slot, true);
    if (to == kNoPlace) to = make_slot(slots_, slot);
    slot.size = 64;  // no store is longer
    damage_overlapping(slot, to);
    if (to == kNoPlace) {
      out_.lost |= place_bit(kVectors);
    } else {
      assign(to, Assignment::Kind::Derived, fresh(0, 64)).sources[0] = kVectors;
    }
  }

  void note_rsp() noexcept {
    if ((in_.writes & register_bit(Rsp)) == 0) return;
    switch (in_.op) {
      case Op::Push:
      case Op::Pop:
        if (in_.op == Op::Pop && in_.operands[0].reg == Rsp) break;
        return;
      case Op::Call:
      case Op::CallIndirect:
      case Op::Ret:
        return;
      case Op::Add:
      case Op::Sub:
        if (in_.operands[1].kind == OperandKind::Immediate) {
          const int32_t by = static_cast<int32_t>(in_.operands[1].immediate);
          out_.rsp_offset += in_.op == Op::Add ? by : -by;
          return;
        }
        break;
      case Op::Lea:
        if (in_.operands[1].base == Rsp && in_.operands[1].index == kNoRegister) {
          out_.rsp_offset += static_cast<int32_t>(in_.operands[1].displacement);
          return;
        }
        break;
      default:
        break;
    }
    out_.rsp_generation = static_cast<uint16_t>(number_ + 1);
    out_.rsp_offset = 0;
  }

  // 8(%rbx) is another variable once rbx is another one.
  void forget_renamed_slots() noexcept {
    for (unsigned i = 0; i < slots_.count; ++i) {
      const Slot& slot = slots_.slots[i];
      if (slot.base == kNoRegister || slot.base == Rsp) continue;
      if (((in_.writes | static_cast<uint32_t>(out_.clobbered)) >> slot.base & 1) != 0) {
        out_.clobbered |= place_bit(static_cast<Place>(kFirstSlot + i));
      }
    }
  }
};

}  // namespace

void flow_effect(const Instruction& instruction, uint16_t number, CodeMode mode,
                 const FlowState& state, SlotTable& slots, FlowEffect& out) noexcept {
  Builder(instruction, number, mode, state, slots, out).run();
}

}  // namespace kebound::x86
