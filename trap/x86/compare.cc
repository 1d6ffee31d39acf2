// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/compare.h"

namespace kebound::x86 {
namespace {

constexpr uint64_t kDefinedByCompare =
    kCarryFlag | kParityFlag | kAdjustFlag | kZeroFlag | kSignFlag | kOverflowFlag;
constexpr uint64_t kDefinedByTest = kDefinedByCompare & ~kAdjustFlag;

// By hand: compilers make a call to their library of the builtin where there is no instruction.
bool has_even_parity(uint8_t byte) noexcept {
  byte ^= byte >> 4;
  byte ^= byte >> 2;
  byte ^= byte >> 1;
  return (byte & 1) == 0;
}

uint64_t result_flags(uint64_t result, unsigned bits) noexcept {
  uint64_t flags = 0;
  if (has_even_parity(static_cast<uint8_t>(result))) flags |= kParityFlag;
  if (result == 0) flags |= kZeroFlag;
  if ((result >> (bits - 1) & 1) != 0) flags |= kSignFlag;
  return flags;
}

uint64_t subtraction_flags(uint64_t a, uint64_t b, unsigned bits) noexcept {
  const uint64_t result = (a - b) & width_mask(bits);
  uint64_t flags = result_flags(result, bits);
  if (a < b) flags |= kCarryFlag;
  if ((a & 0xf) < (b & 0xf)) flags |= kAdjustFlag;
  if (((a ^ b) & (a ^ result)) >> (bits - 1) & 1) flags |= kOverflowFlag;
  return flags;
}

uint64_t register_bits(const Operand& operand, uint64_t value) noexcept {
  return (operand.high_byte ? value >> 8 : value) & width_mask(operand.bits);
}

bool is_width(unsigned bits) noexcept {
  return bits == 8 || bits == 16 || bits == 32 || bits == 64;
}

// A limit that an index can exceed and an array can have. What looks like a negative number is a
// range check that a compiler folded, with the index on the other side.
bool plausible_limit(uint64_t limit, unsigned bits) noexcept {
  return bits < 32 || limit < uint64_t{1} << (bits - 1);
}

bool same_register(const Operand& a, const Operand& b) noexcept {
  return a.kind == OperandKind::Register && b.kind == OperandKind::Register && a.reg == b.reg &&
         a.high_byte == b.high_byte;
}

// The operands of a subtraction can be calculated back from its result: not of sub %rax, %rax, of a
// result in memory, nor where the other operand was found by what the result overwrote.
bool is_reversible(const Instruction& subtraction) noexcept {
  const Operand& result = subtraction.operands[0];
  const Operand& other = subtraction.operands[1];
  if (result.kind != OperandKind::Register || result.high_byte) return false;
  return other.reg != result.reg && other.base != result.reg && other.index != result.reg;
}

bool test_shape(const Instruction& test, uint8_t condition, BoundShape& shape) noexcept {
  if (condition != kNotEqual) return false;
  const unsigned bits = test.operands[0].bits;
  uint64_t greatest = 0;  // test x, x: only 0 passes
  if (!same_register(test.operands[0], test.operands[1])) {
    // test x, ~(2^k - 1): anything below 2^k passes.
    if (test.operands[1].kind != OperandKind::Immediate) return false;
    greatest = ~static_cast<uint64_t>(test.operands[1].immediate) & width_mask(bits);
    const bool mask = (greatest & (greatest + 1)) == 0 && greatest != 0;
    if (!mask || !plausible_limit(greatest, bits) || greatest == width_mask(bits)) return false;
  }
  shape = {.index_operand = 0, .limit = BoundShape::Limit::Constant, .greatest = greatest};
  return true;
}

bool compare_shape(const Instruction& compare, uint8_t condition, BoundShape& shape) noexcept {
  const bool first_is_index = condition == kAbove || condition == kAboveEqual;
  const bool second_is_index = condition == kBelow || condition == kBelowEqual;
  if (!first_is_index && !second_is_index) return false;
  const Operand& index = compare.operands[first_is_index ? 0 : 1];
  const Operand& limit = compare.operands[first_is_index ? 1 : 0];
  const bool limit_allowed = condition == kAbove || condition == kBelow;
  if (index.kind == OperandKind::Immediate || same_register(index, limit)) return false;
  shape = {};
  shape.index_operand = first_is_index ? 0 : 1;
  if (limit.kind != OperandKind::Immediate) {
    shape.limit_operand = first_is_index ? 1 : 0;
    shape.limit_allowed = limit_allowed;
    return true;
  }
  const uint64_t value =
      static_cast<uint64_t>(limit.immediate) & width_mask(compare.operands[0].bits);
  if (value == 0 && !limit_allowed) return false;  // nothing passes
  shape.limit = BoundShape::Limit::Constant;
  shape.greatest = limit_allowed ? value : value - 1;
  return plausible_limit(shape.greatest, compare.operands[0].bits);
}

}  // namespace

bool equal_shape(const Instruction& compare, uint8_t condition, BoundShape& shape) noexcept {
  if (compare.op != Op::Cmp || condition != kEqual) return false;
  // As "a >= b", which index and limit pass in the same way.
  if (!compare_shape(compare, kAboveEqual, shape)) return false;
  shape.equal = true;
  return true;
}

bool condition_holds(uint8_t condition, uint64_t rflags) noexcept {
  const bool carry = (rflags & kCarryFlag) != 0;
  const bool zero = (rflags & kZeroFlag) != 0;
  const bool sign = (rflags & kSignFlag) != 0;
  const bool overflow = (rflags & kOverflowFlag) != 0;
  bool holds = false;
  switch (condition >> 1 & 7) {
    case 0:
      holds = overflow;
      break;
    case 1:
      holds = carry;
      break;
    case 2:
      holds = zero;
      break;
    case 3:
      holds = carry || zero;
      break;
    case 4:
      holds = sign;
      break;
    case 5:
      holds = (rflags & kParityFlag) != 0;
      break;
    case 6:
      holds = sign != overflow;
      break;
    default:
      holds = zero || sign != overflow;
      break;
  }
  return holds != ((condition & 1) != 0);
}

uint64_t operand_address(const Operand& operand, const Registers& registers,
                         CodeMode mode) noexcept {
  uint64_t sum = static_cast<uint64_t>(operand.displacement);
  if (operand.base != kNoRegister) sum += registers.gpr[operand.base & 15];
  if (operand.index != kNoRegister) sum += registers.gpr[operand.index & 15] * operand.scale;
  sum &= width_mask(operand.address_bits);
  if (operand.segment == Segment::Fs) sum += registers.fs_base;
  if (operand.segment == Segment::Gs) sum += registers.gs_base;
  return mode == CodeMode::Bits32 ? sum & width_mask(32) : sum;
}

bool operand_value(const Operand& operand, const Registers& registers, CodeMode mode,
                   const MemoryReader& memory, uint64_t& value) noexcept {
  if (!is_width(operand.bits)) return false;
  switch (operand.kind) {
    case OperandKind::Register:
      value = register_bits(operand, registers.gpr[operand.reg & 15]);
      return true;
    case OperandKind::Immediate:
      value = static_cast<uint64_t>(operand.immediate) & width_mask(operand.bits);
      return true;
    case OperandKind::Memory: {
      uint8_t bytes[8] = {};
      const uint64_t address = operand_address(operand, registers, mode);
      if (!memory.read(address, bytes, operand.bits / 8u)) return false;
      value = 0;
      for (unsigned i = 0; i < operand.bits / 8u; ++i) value |= uint64_t{bytes[i]} << (8 * i);
      return true;
    }
    case OperandKind::None:
      break;
  }
  return false;
}

bool bound_shape(const Instruction& compare, uint8_t condition, BoundShape& shape) noexcept {
  if (compare.operand_count != 2 || !is_width(compare.operands[0].bits)) return false;
  switch (compare.op) {
    case Op::Test:
      return test_shape(compare, condition, shape);
    case Op::Cmp:
    case Op::Sub:
      return compare_shape(compare, condition, shape);
    default:
      return false;
  }
}

Evaluation evaluate_compare(const Instruction& compare, const Registers& registers, CodeMode mode,
                            const MemoryReader& memory, CompareResult& out) noexcept {
  const bool known = compare.op == Op::Cmp || compare.op == Op::Test || compare.op == Op::Sub;
  const unsigned bits = compare.operands[0].bits;
  if (!known || compare.operand_count != 2 || !is_width(bits)) return Evaluation::NotACompare;
  if (compare.op == Op::Sub && !is_reversible(compare)) return Evaluation::NotACompare;
  for (unsigned i = 0; i < 2; ++i) {
    Operand operand = compare.operands[i];
    if (operand.kind == OperandKind::Immediate) operand.bits = static_cast<uint8_t>(bits);
    if (!operand_value(operand, registers, mode, memory, out.values[i])) {
      return operand.kind == OperandKind::Memory ? Evaluation::MemoryUnreadable
                                                 : Evaluation::NotACompare;
    }
  }
  if (compare.op == Op::Sub) {
    out.values[0] = (out.values[0] + out.values[1]) & width_mask(bits);
  }
  if (compare.op == Op::Test) {
    out.flags = result_flags(out.values[0] & out.values[1], bits);
    out.known_flags = kDefinedByTest;
  } else {
    out.flags = subtraction_flags(out.values[0], out.values[1], bits);
    out.known_flags = kDefinedByCompare;
  }
  return Evaluation::Done;
}

}  // namespace kebound::x86
