// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/first_instruction.h"

#include <bit>

namespace kebound::supervisor {
namespace {

using x86::Instruction;
using x86::Op;
using x86::Operand;
using x86::OperandKind;

constexpr uint64_t kCarry = 1;
constexpr uint64_t kParity = 1 << 2;
constexpr uint64_t kAdjust = 1 << 4;
constexpr uint64_t kZero = 1 << 6;
constexpr uint64_t kSign = 1 << 7;
constexpr uint64_t kOverflow = 1 << 11;
constexpr uint64_t kAllFlags = kCarry | kParity | kAdjust | kZero | kSign | kOverflow;

uint64_t mask_of(unsigned bits) noexcept {
  return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

bool is_plain(const Operand& operand) noexcept {
  return operand.kind == OperandKind::Immediate ||
         (operand.kind == OperandKind::Register && operand.bits >= 32);
}

// fs and gs have bases that the registers of a 32-bit thread do not tell.
bool is_plain_memory(const Operand& operand) noexcept {
  return operand.kind == OperandKind::Memory && operand.bits >= 32 && operand.address_bits >= 32 &&
         operand.segment != x86::Segment::Fs && operand.segment != x86::Segment::Gs;
}

class Machine {
 public:
  Machine(x86::CodeMode mode, const TargetMemory& memory, x86::Registers& registers) noexcept
      : memory_(memory),
        registers_(registers),
        word_(mode == x86::CodeMode::Bits64 ? 8 : 4),
        mask_(mask_of(word_ * 8)) {}

  [[nodiscard]] uint64_t address(const Operand& operand) const noexcept {
    uint64_t sum = static_cast<uint64_t>(operand.displacement);
    if (operand.base != x86::kNoRegister) sum += registers_.gpr[operand.base];
    if (operand.index != x86::kNoRegister) sum += registers_.gpr[operand.index] * operand.scale;
    return sum & mask_of(operand.address_bits) & mask_;
  }
  [[nodiscard]] bool load(const Operand& operand, uint64_t& value) const noexcept {
    if (operand.kind == OperandKind::Immediate) {
      value = static_cast<uint64_t>(operand.immediate);
      return true;
    }
    if (operand.kind == OperandKind::Register) {
      value = registers_.gpr[operand.reg] & mask_of(operand.bits);
      return true;
    }
    value = 0;
    return memory_.read(address(operand), &value, operand.bits / 8);
  }
  [[nodiscard]] bool store(const Operand& operand, uint64_t value) noexcept {
    if (operand.kind == OperandKind::Register) {
      registers_.gpr[operand.reg] = value & mask_of(operand.bits);
      return true;
    }
    return memory_.write(address(operand), &value, operand.bits / 8);
  }
  [[nodiscard]] bool push(uint64_t value) noexcept {
    const uint64_t to = (registers_.gpr[x86::Rsp] - word_) & mask_;
    if (!memory_.write(to, &value, word_)) return false;
    registers_.gpr[x86::Rsp] = to;
    return true;
  }
  [[nodiscard]] bool pop(uint64_t& value) noexcept {
    value = 0;
    if (!memory_.read(registers_.gpr[x86::Rsp], &value, word_)) return false;
    registers_.gpr[x86::Rsp] = (registers_.gpr[x86::Rsp] + word_) & mask_;
    return true;
  }
  void set_flags(uint64_t flags) noexcept {
    registers_.rflags = (registers_.rflags & ~kAllFlags) | flags;
  }

 private:
  const TargetMemory& memory_;
  x86::Registers& registers_;
  const unsigned word_;
  const uint64_t mask_;
};

uint64_t flags_of(uint64_t result, unsigned bits) noexcept {
  uint64_t flags = 0;
  if ((std::popcount(result & 0xff) & 1) == 0) flags |= kParity;
  if ((result & mask_of(bits)) == 0) flags |= kZero;
  if ((result >> (bits - 1) & 1) != 0) flags |= kSign;
  return flags;
}

uint64_t compute(Op op, uint64_t a, uint64_t b, unsigned bits, uint64_t& flags) noexcept {
  const uint64_t mask = mask_of(bits);
  a &= mask;
  b &= mask;
  uint64_t result = 0;
  uint64_t carries = 0;  // into each bit
  switch (op) {
    case Op::Add:
      result = (a + b) & mask;
      flags = result < a ? kCarry : 0;
      carries = ~(a ^ b) & (a ^ result);
      break;
    case Op::Sub:
    case Op::Cmp:
      result = (a - b) & mask;
      flags = a < b ? kCarry : 0;
      carries = (a ^ b) & (a ^ result);
      break;
    case Op::And:
    case Op::Test:
      result = a & b;
      break;
    case Op::Or:
      result = a | b;
      break;
    default:
      result = a ^ b;
      break;
  }
  if ((carries >> (bits - 1) & 1) != 0) flags |= kOverflow;
  const bool adds = op == Op::Add || op == Op::Sub || op == Op::Cmp;
  if (adds && ((a ^ b ^ result) & 0x10) != 0) flags |= kAdjust;
  flags |= flags_of(result, bits);
  return result;
}

bool arithmetic(const Instruction& instruction, Machine& machine) noexcept {
  const Operand& to = instruction.operands[0];
  uint64_t a = 0;
  uint64_t b = 0;
  if (!machine.load(to, a) || !machine.load(instruction.operands[1], b)) return false;
  uint64_t flags = 0;
  const uint64_t result = compute(instruction.op, a, b, to.bits, flags);
  const bool compares = instruction.op == Op::Cmp || instruction.op == Op::Test;
  if (!compares && !machine.store(to, result)) return false;
  machine.set_flags(flags);
  return true;
}

}  // namespace

bool can_execute(const Instruction& instruction) noexcept {
  const Operand& first = instruction.operands[0];
  const Operand& second = instruction.operands[1];
  switch (instruction.op) {
    case Op::Endbr:
    case Op::Nop:
    case Op::Call:
    case Op::Jmp:
      return true;
    case Op::Ret:
      return instruction.operand_count == 0;
    case Op::Push:
      return is_plain(first);
    case Op::Mov:
      return (is_plain(first) || is_plain_memory(first)) &&
             (is_plain(second) || is_plain_memory(second));
    case Op::Lea:
      return is_plain(first) && second.address_bits >= 32;
    case Op::Add:
    case Op::Sub:
    case Op::Cmp:
    case Op::And:
    case Op::Test:
    case Op::Or:
    case Op::Xor:
      return is_plain(first) && (is_plain(second) || is_plain_memory(second));
    default:
      return false;
  }
}

bool execute(const Instruction& instruction, x86::CodeMode mode, const TargetMemory& memory,
             x86::Registers& registers) noexcept {
  x86::Registers result = registers;
  Machine machine(mode, memory, result);
  uint64_t next = registers.rip + instruction.length;
  if (mode == x86::CodeMode::Bits32) next = static_cast<uint32_t>(next);
  uint64_t value = 0;
  bool done = true;
  switch (instruction.op) {
    case Op::Push:
      done = machine.load(instruction.operands[0], value) && machine.push(value);
      break;
    case Op::Mov:
      done = machine.load(instruction.operands[1], value) &&
             machine.store(instruction.operands[0], value);
      break;
    case Op::Lea:
      done = machine.store(instruction.operands[0], machine.address(instruction.operands[1]));
      break;
    case Op::Call:
      done = machine.push(next);
      next = instruction.target;
      break;
    case Op::Jmp:
      next = instruction.target;
      break;
    case Op::Ret:
      done = machine.pop(next);
      break;
    case Op::Endbr:
    case Op::Nop:
      break;
    default:
      done = arithmetic(instruction, machine);
      break;
  }
  if (!done) return false;
  result.rip = next;
  registers = result;
  return true;
}

}  // namespace kebound::supervisor
