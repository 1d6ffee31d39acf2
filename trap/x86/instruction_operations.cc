// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/instruction_encoding.h"

namespace kebound::x86 {
namespace {

constexpr Op kArithmetic[] = {Op::Add, Op::Or,  Op::Adc, Op::Sbb,
                              Op::And, Op::Sub, Op::Xor, Op::Cmp};

class Describer {
 public:
  Describer(const Encoding& encoding, uint64_t address, Instruction& out) noexcept
      : e_(encoding), address_(address), out_(out) {}

  // False if it is no named operation.
  bool describe() noexcept {
    if (e_.form != EncodingForm::Legacy) return false;
    const bool named = e_.map == OpcodeMap::OneByte ? one_byte()
                       : e_.map == OpcodeMap::Map0f ? map0f()
                                                    : false;
    if (named) describe_operation_effects(e_, out_);
    return named;
  }

  [[nodiscard]] bool valid() const noexcept {
    if (out_.op == Op::Lea && !e_.has_memory) return false;
    if (!e_.lock) return true;
    switch (out_.op) {
      case Op::Add:
      case Op::Adc:
      case Op::And:
      case Op::Dec:
      case Op::Inc:
      case Op::Neg:
      case Op::Not:
      case Op::Or:
      case Op::Sbb:
      case Op::Sub:
      case Op::Xor:
        return out_.operands[0].kind == OperandKind::Memory;
      case Op::Xchg:
        return e_.has_memory;
      default:
        return false;
    }
  }

 private:
  [[nodiscard]] uint8_t width(bool byte) const noexcept {
    return byte ? uint8_t{8} : e_.operand_bits;
  }

  [[nodiscard]] Operand general(uint8_t number, uint8_t bits) const noexcept {
    Operand operand;
    operand.kind = OperandKind::Register;
    operand.bits = bits;
    operand.high_byte = bits == 8 && !e_.rex && number >= 4 && number < 8;
    operand.reg = operand.high_byte ? static_cast<uint8_t>(number - 4) : number;
    return operand;
  }
  [[nodiscard]] Operand reg(uint8_t bits) const noexcept { return general(e_.reg_gpr(), bits); }
  [[nodiscard]] Operand rm(uint8_t bits) const noexcept {
    if (!e_.has_memory) return general(e_.rm_gpr(), bits);
    Operand operand = e_.memory;
    operand.bits = bits;
    return operand;
  }
  [[nodiscard]] Operand immediate(uint8_t bits) const noexcept {
    Operand operand;
    operand.kind = OperandKind::Immediate;
    operand.bits = bits;
    operand.immediate = e_.immediate;
    return operand;
  }

  bool is(Op op) noexcept {
    out_.op = op;
    return true;
  }
  bool is(Op op, const Operand& a) noexcept {
    out_.operands[0] = a;
    out_.operand_count = 1;
    return is(op);
  }
  bool is(Op op, const Operand& a, const Operand& b) noexcept {
    is(op, a);
    out_.operands[1] = b;
    out_.operand_count = 2;
    return true;
  }
  bool conditional(Op op) noexcept {
    out_.condition = e_.opcode & 15;
    out_.op = op;
    return true;
  }
  bool branch(Op op) noexcept {
    uint64_t target = address_ + e_.length + static_cast<uint64_t>(e_.immediate);
    if (!e_.bits64()) target &= e_.operand_bits == 16 ? 0xffff : 0xffffffff;
    out_.target = target;
    out_.calls_next = op == Op::Call && e_.immediate == 0;
    return is(op);
  }

  // Opcodes 00 to 3D: six forms of each of eight operations.
  bool arithmetic() noexcept {
    const Op op = kArithmetic[e_.opcode >> 3];
    const uint8_t bits = width((e_.opcode & 1) == 0);
    switch (e_.opcode & 7) {
      case 0:
      case 1:
        return is(op, rm(bits), reg(bits));
      case 2:
      case 3:
        return is(op, reg(bits), rm(bits));
      case 4:
      case 5:
        return is(op, general(Rax, bits), immediate(bits));
      default:
        return false;
    }
  }

  bool shift(const Operand& count) noexcept {
    static constexpr Op kShifts[] = {Op::Other, Op::Other, Op::Other, Op::Other,
                                     Op::Shl,   Op::Shr,   Op::Shl,   Op::Sar};
    const Op op = kShifts[e_.reg];
    return op != Op::Other && is(op, rm(width((e_.opcode & 1) == 0)), count);
  }

  bool exchange_or_nop() noexcept {
    // PAUSE is one whatever REX.B says.
    const bool pause = e_.opcode == 0x90 && e_.mandatory == MandatoryPrefix::PF3;
    if (e_.opcode_gpr() != Rax && !pause) {
      return is(Op::Xchg, general(e_.opcode_gpr(), e_.operand_bits), general(Rax, e_.operand_bits));
    }
    return is(Op::Nop);
  }

  bool widen() noexcept {  // cbw, cwde, cdqe
    return is(Op::Movsx, general(Rax, e_.operand_bits),
              general(Rax, static_cast<uint8_t>(e_.operand_bits / 2)));
  }

  bool multiply_by_immediate() noexcept {
    is(Op::Imul, reg(e_.operand_bits), rm(e_.operand_bits));
    out_.operands[2] = immediate(e_.operand_bits);
    out_.operand_count = 3;
    return true;
  }

  bool one_byte() noexcept;
  bool one_byte_rows_5_to_9(uint8_t bits) noexcept;
  bool group3(uint8_t bits) noexcept;
  bool group5(uint8_t bits) noexcept;
  bool map0f() noexcept;

  const Encoding& e_;
  uint64_t address_;
  Instruction& out_;
};

bool Describer::one_byte() noexcept {
  const uint8_t opcode = e_.opcode;
  const uint8_t bits = width((opcode & 1) == 0);
  if (opcode < 0x40) return arithmetic();
  if (opcode < 0xa0) return one_byte_rows_5_to_9(bits);
  switch (opcode) {
    case 0xa0:
    case 0xa1:
      return is(Op::Mov, general(Rax, bits), rm(bits));
    case 0xa2:
    case 0xa3:
      return is(Op::Mov, rm(bits), general(Rax, bits));
    case 0xa8:
    case 0xa9:
      return is(Op::Test, general(Rax, bits), immediate(bits));
    case 0xc0:
    case 0xc1:
      return shift(immediate(8));
    case 0xc2:
      return is(Op::Ret, immediate(16));
    case 0xc3:
      return is(Op::Ret);
    case 0xc6:
    case 0xc7:
      return e_.reg == 0 && is(Op::Mov, rm(bits), immediate(bits));
    case 0xcc:
      return is(Op::Int3);
    case 0xd0:
    case 0xd1: {
      Operand one = immediate(8);
      one.immediate = 1;
      return shift(one);
    }
    case 0xd2:
    case 0xd3:
      return shift(general(Rcx, 8));
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
      return branch(Op::Loop);
    case 0xe8:
      return branch(Op::Call);
    case 0xe9:
    case 0xeb:
      return branch(Op::Jmp);
    case 0xf6:
    case 0xf7:
      return group3(bits);
    case 0xfe:
    case 0xff:
      return group5(bits);
    default:
      if (opcode >= 0xb0 && opcode < 0xc0) {
        const uint8_t width_here = width(opcode < 0xb8);
        return is(Op::Mov, general(e_.opcode_gpr(), width_here), immediate(width_here));
      }
      return false;
  }
}

bool Describer::one_byte_rows_5_to_9(uint8_t bits) noexcept {
  const uint8_t full = e_.operand_bits;
  switch (e_.opcode >> 3) {
    case 0x40 >> 3:  // prefixes in 64-bit code
      return is(Op::Inc, general(e_.opcode_gpr(), full));
    case 0x48 >> 3:
      return is(Op::Dec, general(e_.opcode_gpr(), full));
    case 0x50 >> 3:
      return is(Op::Push, general(e_.opcode_gpr(), e_.stack_bits()));
    case 0x58 >> 3:
      return is(Op::Pop, general(e_.opcode_gpr(), e_.stack_bits()));
    case 0x70 >> 3:
    case 0x78 >> 3:
      branch(Op::Jcc);
      return conditional(Op::Jcc);
    case 0x90 >> 3:
      return exchange_or_nop();
    default:
      break;
  }
  switch (e_.opcode) {
    case 0x63:
      return e_.bits64() && is(Op::Movsx, reg(full), rm(full == 16 ? 16 : 32));
    case 0x68:
    case 0x6a:
      return is(Op::Push, immediate(e_.stack_bits()));
    case 0x69:
    case 0x6b:
      return multiply_by_immediate();
    case 0x80:
    case 0x81:
    case 0x82:
    case 0x83:
      return is(kArithmetic[e_.reg], rm(bits), immediate(bits));
    case 0x84:
    case 0x85:
      return is(Op::Test, rm(bits), reg(bits));
    case 0x86:
    case 0x87:
      return is(Op::Xchg, rm(bits), reg(bits));
    case 0x88:
    case 0x89:
      return is(Op::Mov, rm(bits), reg(bits));
    case 0x8a:
    case 0x8b:
      return is(Op::Mov, reg(bits), rm(bits));
    case 0x8d:
      return is(Op::Lea, reg(full), rm(e_.address_bits));
    case 0x8f:
      return e_.reg == 0 && is(Op::Pop, rm(e_.stack_bits()));
    case 0x98:
      return widen();
    case 0x99:
      return is(Op::Cqo, general(Rdx, full), general(Rax, full));
    default:
      return false;
  }
}

bool Describer::group3(uint8_t bits) noexcept {
  switch (e_.reg) {
    case 0:
    case 1:
      return is(Op::Test, rm(bits), immediate(bits));
    case 2:
      return is(Op::Not, rm(bits));
    case 3:
      return is(Op::Neg, rm(bits));
    default:
      return false;  // multiplications and divisions of rdx and rax
  }
}

bool Describer::group5(uint8_t bits) noexcept {
  // Near branches of 64-bit code are 64 bits wide, whatever the prefixes say.
  const uint8_t branch_bits = e_.bits64() ? uint8_t{64} : e_.operand_bits;
  if (e_.reg > 1 && e_.opcode == 0xfe) return false;
  switch (e_.reg) {
    case 0:
      return is(Op::Inc, rm(bits));
    case 1:
      return is(Op::Dec, rm(bits));
    case 2:
      return is(Op::CallIndirect, rm(branch_bits));
    case 4:
      return is(Op::JmpIndirect, rm(branch_bits));
    case 6:
      return is(Op::Push, rm(e_.stack_bits()));
    default:
      return false;
  }
}

bool Describer::map0f() noexcept {
  const uint8_t opcode = e_.opcode;
  const uint8_t bits = e_.operand_bits;
  switch (opcode >> 4) {
    case 4:
      is(Op::Cmov, reg(bits), rm(bits));
      return conditional(Op::Cmov);
    case 8:
      branch(Op::Jcc);
      return conditional(Op::Jcc);
    case 9:
      is(Op::Setcc, rm(8));
      return conditional(Op::Setcc);
    default:
      break;
  }
  switch (opcode) {
    case 0x0b:
      return is(Op::Ud2);
    case 0x1e:
      return e_.mandatory == MandatoryPrefix::PF3 && !e_.has_memory && e_.reg == 7 &&
             (e_.rm == 2 || e_.rm == 3) && is(Op::Endbr);
    case 0x1f:
      return is(Op::Nop);
    case 0xa3:
      return is(Op::Bt, rm(bits), reg(bits));
    case 0xaf:
      return is(Op::Imul, reg(bits), rm(bits));
    case 0xb6:
      return is(Op::Movzx, reg(bits), rm(8));
    case 0xb7:
      return is(Op::Movzx, reg(bits), rm(16));
    case 0xb9:
      return is(Op::Ud1, reg(32), rm(32));
    case 0xba:
      return e_.reg == 4 && is(Op::Bt, rm(bits), immediate(8));
    case 0xbe:
      return is(Op::Movsx, reg(bits), rm(8));
    case 0xbf:
      return is(Op::Movsx, reg(bits), rm(16));
    default:
      return false;
  }
}

}  // namespace

bool describe_operation(const Encoding& encoding, uint64_t address, Instruction& out,
                        bool& valid) noexcept {
  Describer describer(encoding, address, out);
  if (!describer.describe()) return false;
  valid = describer.valid();
  return true;
}

}  // namespace kebound::x86
