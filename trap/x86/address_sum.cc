// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/address_sum.h"

#include "trap/x86/compare.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxSteps = 24;
constexpr unsigned kMaxPending = 8;
constexpr int64_t kMaxFactor = int64_t{1} << 31;

class Summing {
 public:
  Summing(FlowAnalysis& flow, const IndexCopies& compared, AddressSum& sum) noexcept
      : flow_(flow), compared_(compared), sum_(sum) {}

  bool run(Value value, int64_t factor) noexcept {
    push(value, factor);
    for (unsigned i = 0; i < kMaxSteps && ok_ && count_ != 0; ++i) {
      const Pending next = pending_[--count_];
      if (!take_apart(next.value, next.factor)) add_term(next.value, next.factor);
    }
    return ok_ && count_ == 0;
  }

 private:
  struct Pending {
    Value value;
    int64_t factor = 0;
  };

  void push(Value value, int64_t factor) noexcept {
    const bool fits = factor > -kMaxFactor && factor < kMaxFactor;
    if (!fits || value.id == kAnonymous || value.bits == 0 || count_ == kMaxPending) {
      ok_ = false;
      return;
    }
    pending_[count_++] = {value, factor};
  }

  void add_term(Value value, int64_t factor) noexcept {
    for (unsigned i = 0; i < sum_.count; ++i) {
      AddressSum::Term& term = sum_.terms[i];
      if (term.value != value.id || term.bits != value.bits) continue;
      term.factor += factor;
      return;
    }
    if (sum_.count == AddressSum::kMax) {
      ok_ = false;
    } else {
      sum_.terms[sum_.count++] = {value.id, value.bits, factor};
    }
  }

  void add_constant(int64_t constant, int64_t factor) noexcept {
    sum_.constant += static_cast<uint64_t>(constant) * static_cast<uint64_t>(factor);
  }
  bool add_place(uint64_t address, int64_t factor) noexcept {
    if (factor != 1 || sum_.fixed) return false;
    sum_.fixed = true;
    sum_.constant += address;
    return true;
  }

  // A register's, in the state before the instruction.
  void push_register(uint8_t reg, int64_t factor) noexcept {
    push(state_.values[reg & 15], factor);
  }

  // False: it is a number of its own.
  bool take_apart(Value value, int64_t factor) noexcept {
    Instruction in;
    uint64_t at = 0;
    if (compared_.is_own(value.id) || !definition(flow_, value.id, in, at)) return false;
    if (in.op == Op::Call) {
      const bool reads_ip = in.calls_next || flow_.reads_ip(in) != kNoRegister;
      return reads_ip && add_place(at + in.length, factor);
    }
    if (in.operands[0].kind != OperandKind::Register) return false;
    const bool is_constant = in.op == Op::Mov && in.operands[1].kind == OperandKind::Immediate;
    if (is_constant) {
      const uint64_t constant =
          static_cast<uint64_t>(in.operands[1].immediate) & width_mask(in.operands[0].bits);
      if (value.bits < in.operands[0].bits) return false;
      if (is_address(static_cast<int64_t>(constant))) return add_place(constant, factor);
      add_constant(static_cast<int64_t>(constant), factor);
      return true;
    }
    const unsigned native = flow_.code().native_bits();
    if (value.bits != native || in.operands[0].bits != native) return false;
    if (in.op == Op::Lea && in.operands[1].rip_relative) {
      return add_place(static_cast<uint64_t>(in.operands[1].displacement), factor);
    }
    return flow_.state_before(at, state_) &&
           take_operands(in, flow_.room().origins[value.id], factor);
  }

  bool take_operands(const Instruction& in, const Origin& origin, int64_t factor) noexcept {
    const Operand& first = in.operands[0];
    const Operand& last = in.operands[in.operand_count - 1];
    const bool constant = last.kind == OperandKind::Immediate;
    switch (in.op) {
      case Op::Lea:
        if (last.bits != first.bits) return false;
        if (last.base != kNoRegister) push_register(last.base, factor);
        if (last.index != kNoRegister) push_register(last.index, factor * last.scale);
        add_constant(last.displacement, factor);
        return true;
      case Op::Inc:
      case Op::Dec:
        push_register(first.reg, factor);
        add_constant(in.op == Op::Inc ? 1 : -1, factor);
        return true;
      case Op::Add:
      case Op::Sub: {
        if (!constant && last.kind != OperandKind::Register) return false;
        const int64_t sign = in.op == Op::Add ? factor : -factor;
        push_register(first.reg, factor);
        if (constant) {
          add_constant(last.immediate, sign);
        } else {
          push_register(last.reg, sign);
        }
        return true;
      }
      case Op::Or:  // of low bits that are 0
        if (!constant || origin.factors[0] == 0) return false;
        push_register(first.reg, factor);
        add_constant(last.immediate, factor);
        return true;
      case Op::Shl:
      case Op::Imul: {
        if (!constant) return false;
        const int64_t shift = last.immediate & 63;
        if (in.op == Op::Shl && shift >= 31) return false;
        const int64_t by = in.op == Op::Shl ? int64_t{1} << shift : last.immediate;
        if (by >= kMaxFactor || by <= -kMaxFactor) return false;
        const Operand& multiplied = in.operands[in.operand_count == 3 ? 1 : 0];
        if (multiplied.kind != OperandKind::Register) return false;
        push_register(multiplied.reg, factor * by);
        return true;
      }
      default:
        return false;
    }
  }

  FlowAnalysis& flow_;
  const IndexCopies& compared_;
  AddressSum& sum_;
  Pending pending_[kMaxPending];
  unsigned count_ = 0;
  bool ok_ = true;
  FlowState state_;
};

}  // namespace

bool add_to_sum(FlowAnalysis& flow, Value value, int64_t factor, const IndexCopies& compared,
                AddressSum& sum) noexcept {
  return Summing(flow, compared, sum).run(value, factor);
}

}  // namespace kebound::x86
