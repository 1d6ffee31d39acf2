// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/edge_choice.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxSteps = 64;
constexpr unsigned kMaxJumps = 4;  // followed backwards, each at the cost of a sweep
constexpr uint32_t kCallClobbers = 1u << Rax | 1u << Rcx | 1u << Rdx | 1u << Rsi | 1u << Rdi |
                                   1u << R8 | 1u << R9 | 1u << R10 | 1u << R11 | 1u << Rsp;

// Goes backwards from the compare. What an instruction read and wrote can be seen in the registers
// as long as nothing behind it wrote to them.
class Backwards {
 public:
  Backwards(const TrapEdge& edge, const FunctionCode& code, const RecoverySource& source,
            const Registers& registers) noexcept
      : code_(code),
        source_(source),
        registers_(registers),
        written_(edge.written),
        memory_written_(edge.memory_written),
        at_(edge.compare) {}

  // False at a contradiction.
  bool run() noexcept {
    for (unsigned i = 0; i < kMaxSteps; ++i) {
      if (code_.is_unknown_entry(at_)) return true;
      Instruction before;
      const uint64_t address = code_.previous(at_);
      const bool falls = address != at_ && code_.decode(address, before) && before.falls_through;
      if (code_.is_target(at_)) {
        if (falls || !follow_jump()) return true;
        continue;
      }
      if (!falls) return true;
      at_ = address;
      if (before.op == Op::Jcc) {
        if (!agrees_with_branch(before, before.condition ^ 1u)) return false;
        continue;
      }
      if (!agrees(before)) return false;
      note(before);
    }
    return true;
  }

 private:
  [[nodiscard]] bool is_kept(uint32_t registers) const noexcept {
    return (registers & written_) == 0;
  }

  void note(const Instruction& in) noexcept {
    written_ |= in.writes;
    memory_written_ |= in.writes_memory;
    if ((in.op == Op::Call && !in.calls_next) || in.op == Op::CallIndirect) {
      written_ |= kCallClobbers;
      memory_written_ = true;
    }
  }

  // Continues before the only jump that leads to where we are.
  bool follow_jump() noexcept {
    if (++jumps_ > kMaxJumps || code_.has_indirect_jumps()) return false;
    uint64_t from = 0;
    unsigned count = 0;
    Instruction in;
    Instruction jump;
    for (uint64_t at = code_.range().begin; code_.decode(at, in); at += in.length) {
      const bool jumps = in.op == Op::Jcc || in.op == Op::Jmp || in.op == Op::Loop;
      if (!jumps || in.target != at_) continue;
      if (++count > 1) return false;
      from = at;
      jump = in;
    }
    if (count != 1 || jump.op == Op::Loop) return false;
    at_ = from;
    if (jump.op == Op::Jcc && !agrees_with_branch(jump, jump.condition)) contradiction_ = true;
    return true;
  }

  // The branch at at_ went the way on which `condition` holds.
  bool agrees_with_branch(const Instruction&, unsigned condition) noexcept {
    TrapEdge branch;
    branch.branch = at_;
    find_branch_compare(code_, branch);
    Instruction compare;
    if (branch.compare == 0 || !code_.decode(branch.compare, compare)) return true;
    // What comes between is met later, on the way back.
    uint32_t between = branch.written;
    if (compare.op == Op::Sub || !is_kept(compare.reads) || (compare.reads & between) != 0) {
      return true;
    }
    if (compare.reads_memory) return true;  // not the thread's own, perhaps
    CompareResult result;
    if (evaluate_compare(compare, registers_, source_.mode, source_.memory, result) !=
        Evaluation::Done) {
      return true;
    }
    return condition_holds(static_cast<uint8_t>(condition), result.flags);
  }

  // A shift of what the instruction right before it copied from a register that is still there.
  [[nodiscard]] bool agrees_with_shift(const Instruction& in) const noexcept {
    const Operand& result = in.operands[0];
    const bool simple = in.operand_count == 2 && result.kind == OperandKind::Register &&
                        result.bits >= 32 && in.operands[1].kind == OperandKind::Immediate;
    if (!simple || !is_kept(in.writes) || code_.is_target(at_) || code_.is_unknown_entry(at_)) {
      return true;
    }
    Instruction copy;
    const uint64_t before = code_.previous(at_);
    if (before == at_ || !code_.decode(before, copy) || copy.op != Op::Mov) return true;
    const Operand& source = copy.operands[1];
    const bool copies = copy.operands[0].kind == OperandKind::Register &&
                        source.kind == OperandKind::Register &&
                        copy.operands[0].reg == result.reg && source.reg != result.reg &&
                        source.bits >= result.bits;
    if (!copies || !is_kept(register_bit(source.reg))) return true;
    const uint64_t mask = width_mask(result.bits);
    const unsigned by = static_cast<unsigned>(in.operands[1].immediate) & (result.bits - 1u);
    const uint64_t copied = registers_.gpr[source.reg & 15] & mask;
    uint64_t value = copied << by;
    if (in.op == Op::Shr) value = copied >> by;
    if (in.op == Op::Sar) value = static_cast<uint64_t>(sign_extend(copied, result.bits) >> by);
    return ((value ^ registers_.gpr[result.reg & 15]) & mask) == 0;
  }

  [[nodiscard]] bool agrees(const Instruction& in) const noexcept {
    if (in.op == Op::Shl || in.op == Op::Shr || in.op == Op::Sar) return agrees_with_shift(in);
    const bool moves = in.op == Op::Mov || in.op == Op::Movzx || in.op == Op::Movsx;
    if ((!moves && in.op != Op::Lea) || in.operands[0].kind != OperandKind::Register) return true;
    if (in.operands[0].high_byte || !is_kept(in.reads | in.writes)) return true;
    // Only the stack is this thread's own.
    const bool stack = in.memory.base == Rbp || in.memory.base == Rsp;
    if (in.reads_memory && (memory_written_ || !stack)) return true;
    // Of an instruction that overwrites what it read only that it could be repeated is known; of
    // movsbl %ah,%eax not even that.
    const bool repeats = (in.op == Op::Movzx || in.op == Op::Movsx) &&
                         in.operands[1].kind == OperandKind::Register && !in.operands[1].high_byte;
    if ((in.reads & in.writes) != 0 && !repeats) return true;
    uint64_t value = 0;
    if (in.op == Op::Lea) {
      Operand address = in.operands[1];
      address.segment = Segment::Ds;
      value = operand_address(address, registers_, source_.mode);
    } else {
      Operand source = in.operands[1];
      if (source.kind == OperandKind::Immediate) source.bits = in.operands[0].bits;
      if (!operand_value(source, registers_, source_.mode, source_.memory, value)) return true;
      if (in.op == Op::Movsx) value = static_cast<uint64_t>(sign_extend(value, source.bits));
    }
    const uint64_t mask = width_mask(in.operands[0].bits);
    return (value & mask) == (registers_.gpr[in.operands[0].reg & 15] & mask);
  }

 public:
  [[nodiscard]] bool contradiction() const noexcept { return contradiction_; }

 private:
  const FunctionCode& code_;
  const RecoverySource& source_;
  const Registers& registers_;
  uint32_t written_;
  bool memory_written_;
  bool contradiction_ = false;
  unsigned jumps_ = 0;
  uint64_t at_;
};

}  // namespace

bool is_feasible(const TrapEdge& edge, const FunctionCode& code, const RecoverySource& source,
                 const Registers& registers) noexcept {
  Backwards way(edge, code, source, registers);
  return way.run() && !way.contradiction();
}

}  // namespace kebound::x86
