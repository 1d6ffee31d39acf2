// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/callee.h"
#include "trap/x86/edge_choice.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxSteps = 192;  // on all ways together
constexpr unsigned kMaxWays = 12;
constexpr unsigned kMaxSweeps = 4;  // over the function, for the jumps to a place
constexpr unsigned kMaxDepth = 3;   // of what was calculated from what
constexpr unsigned kMaxBefore = 16;

// How an edge is reached: at `at`, with what the code from there to the trap writes.
struct Way {
  uint64_t at = 0;
  uint32_t written = 0;
  bool memory_written = false;
  bool jumps = false;  // comes from the jump at `at`
};

// Goes backwards from the compare, on all ways that lead to it. What an instruction read and wrote
// can be seen in the registers as long as nothing behind it wrote to them.
class Backwards {
 public:
  Backwards(const FunctionCode& code, const RecoverySource& source, const Registers& registers,
            const Corrections& corrections) noexcept
      : code_(code), source_(source), registers_(registers), corrections_(corrections) {}

  // False if there is a contradiction on each way.
  bool run(const TrapEdge& edge) noexcept {
    written_ = edge.written;
    memory_written_ = edge.memory_written;
    go_back_over(edge.branch);
    ways_[way_count_++] = {edge.compare, written_, memory_written_, false};
    while (way_count_ != 0) {
      if (!follow(ways_[--way_count_])) continue;
      return true;
    }
    return false;
  }

 private:
  // True if the thread may have come that way: nothing speaks against it, or it is not known.
  // Where ways meet, they are put aside for later.
  bool follow(const Way& way) noexcept {
    at_ = way.at;
    written_ = way.written;
    memory_written_ = way.memory_written;
    Instruction before;
    if (way.jumps) {
      if (!code_.decode(at_, before)) return true;
      if (before.op == Op::Jcc && !agrees_with_branch(before.condition)) return false;
      go_back_over(at_);
    }
    while (steps_++ < kMaxSteps) {
      if (code_.is_unknown_entry(at_)) return true;
      const uint64_t address = code_.previous(at_);
      const bool falls = address != at_ && code_.decode(address, before) && before.falls_through;
      // The beginning of the function: it may have been called so.
      if (address == at_) return true;
      if (code_.is_target(at_) && !add_jumps()) return true;
      if (!falls) return false;
      at_ = address;
      if (before.op == Op::Jcc) {
        if (!agrees_with_branch(before.condition ^ 1u)) return false;
        go_back_over(at_);
        continue;
      }
      if (!agrees(before)) return false;
      note(before);
    }
    return true;
  }

  // Where the thread was sent back to the check at `branch` with another index, what the code
  // before it says about the places of the index is void.
  void go_back_over(uint64_t branch) noexcept {
    const uint32_t corrected = corrections_.places(branch);
    written_ |= corrected & kAllRegisters;
    memory_written_ |= (corrected & Corrections::kMemory) != 0;
  }

  // By its first bytes: most instructions need not be decoded then.
  [[nodiscard]] bool may_be_jump(uint64_t at) const noexcept {
    uint8_t bytes[2];
    code_.copy(at, bytes, sizeof bytes);
    const uint8_t first = bytes[0];
    if (first == 0x0f) return (bytes[1] & 0xf0) == 0x80;
    const bool rex = code_.mode() == CodeMode::Bits64 && (first & 0xf0) == 0x40;
    const bool prefix = (first & 0xe7) == 0x26 || (first >= 0x64 && first <= 0x67) ||
                        first == 0xf2 || first == 0xf3;
    return prefix || (rex && ((bytes[1] & 0xf0) == 0x70 || bytes[1] >= 0xe0 || bytes[1] == 0x0f)) ||
           (first & 0xf0) == 0x70 || (first >= 0xe0 && first <= 0xeb);
  }

  // All jumps to where we are. False if they are not known.
  bool add_jumps() noexcept {
    if (++sweeps_ > kMaxSweeps || code_.has_indirect_jumps()) return false;
    Instruction in;
    for (uint64_t at = code_.range().begin; at < code_.range().end; ++at) {
      if (!code_.begins(at) || !may_be_jump(at) || !code_.decode(at, in)) continue;
      const bool jumps = in.op == Op::Jcc || in.op == Op::Jmp || in.op == Op::Loop;
      if (!jumps || in.target != at_) continue;
      if (in.op == Op::Loop || way_count_ == kMaxWays) return false;
      ways_[way_count_++] = {at, written_, memory_written_, true};
    }
    return true;
  }

  [[nodiscard]] bool is_kept(uint32_t registers) const noexcept {
    return (registers & written_) == 0;
  }

  void note(const Instruction& in) noexcept {
    written_ |= in.writes;
    memory_written_ |= in.writes_memory;
    if (in.op == Op::Call && !in.calls_next) {
      written_ |= registers_of_call(in.target, source_.mode, source_.memory);
      memory_written_ = true;
    } else if (in.op == Op::CallIndirect) {
      written_ |= kCallClobbers;
      memory_written_ = true;
    }
  }

  // What a register had right before the instruction at `at`, from what is there now. `written`:
  // by the code from there on.
  bool value_before(uint8_t reg, uint64_t at, uint32_t written, unsigned depth,
                    uint64_t& value) const noexcept {
    if ((written >> reg & 1) == 0) {
      value = registers_.gpr[reg & 15];
      return true;
    }
    if (depth == kMaxDepth) return false;
    for (unsigned i = 0; i < kMaxBefore; ++i) {
      if (code_.is_target(at) || code_.is_unknown_entry(at)) return false;
      Instruction in;
      const uint64_t before = code_.previous(at);
      const bool falls = before != at && code_.decode(before, in) && in.falls_through;
      if (!falls || in.op == Op::Call || in.op == Op::CallIndirect) return false;
      at = before;
      written |= in.writes;
      if ((in.writes >> reg & 1) != 0) return result_of(in, at, written, depth, value);
    }
    return false;
  }

  // Of an instruction that only calculates. `written`: by it, and from there on.
  bool result_of(const Instruction& in, uint64_t at, uint32_t written, unsigned depth,
                 uint64_t& value) const noexcept {
    const Operand& target = in.operands[0];
    if (target.kind != OperandKind::Register || target.bits < 32 || in.reads_memory) return false;
    Registers before = registers_;
    for (uint8_t reg = 0; reg < 16; ++reg) {
      const bool read = (in.reads >> reg & 1) != 0;
      if (read && !value_before(reg, at, written, depth + 1, before.gpr[reg])) return false;
    }
    const CodeMode mode = source_.mode;
    uint64_t operands[2] = {};
    for (unsigned i = 0; i < 2 && in.op != Op::Lea; ++i) {
      Operand operand = in.operands[i];
      if (operand.kind == OperandKind::Immediate) operand.bits = target.bits;
      if (i < in.operand_count &&
          !operand_value(operand, before, mode, source_.memory, operands[i])) {
        return false;
      }
    }
    switch (in.op) {
      case Op::Mov:
      case Op::Movzx:
        value = operands[1];
        break;
      case Op::Movsx:
        value = static_cast<uint64_t>(sign_extend(operands[1], in.operands[1].bits));
        break;
      case Op::Lea: {
        Operand address = in.operands[1];
        address.segment = Segment::Ds;
        value = operand_address(address, before, mode);
        break;
      }
      case Op::Add:
        value = operands[0] + operands[1];
        break;
      case Op::Sub:
        value = operands[0] - operands[1];
        break;
      default:
        return false;
    }
    value &= width_mask(target.bits);
    return true;
  }

  // The branch at at_ went the way on which `condition` holds.
  bool agrees_with_branch(unsigned condition) const noexcept {
    TrapEdge branch;
    branch.branch = at_;
    find_branch_compare(code_, branch);
    Instruction compare;
    if (branch.compare == 0 || !code_.decode(branch.compare, compare)) return true;
    // What comes between is met later, on the way back.
    const uint32_t written = written_ | branch.written;
    const unsigned depth = corrections_.places(at_) != 0 ? kMaxDepth : 0;
    if (compare.op == Op::Sub || compare.reads_memory)
      return true;  // not the thread's own, perhaps
    Registers before = registers_;
    for (uint8_t reg = 0; reg < 16; ++reg) {
      const bool read = (compare.reads >> reg & 1) != 0;
      if (read && !value_before(reg, branch.compare, written, depth, before.gpr[reg])) return true;
    }
    CompareResult result;
    if (evaluate_compare(compare, before, source_.mode, source_.memory, result) !=
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
    const Operand& result = in.operands[0];
    const bool clears = in.op == Op::Xor && result.kind == OperandKind::Register &&
                        in.operands[1].kind == OperandKind::Register &&
                        result.reg == in.operands[1].reg && result.bits >= 32;
    if (clears && is_kept(in.writes)) {
      return (registers_.gpr[result.reg & 15] & width_mask(result.bits)) == 0;
    }
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

 private:
  const FunctionCode& code_;
  const RecoverySource& source_;
  const Registers& registers_;
  const Corrections& corrections_;
  unsigned way_count_ = 0;
  Way ways_[kMaxWays];
  unsigned steps_ = 0;
  unsigned sweeps_ = 0;
  // Of the way that is followed.
  uint64_t at_ = 0;
  uint32_t written_ = 0;
  bool memory_written_ = false;
};

}  // namespace

bool is_feasible(const TrapEdge& edge, const FunctionCode& code, const RecoverySource& source,
                 const Registers& registers, const Corrections& corrections) noexcept {
  return Backwards(code, source, registers, corrections).run(edge);
}

}  // namespace kebound::x86
