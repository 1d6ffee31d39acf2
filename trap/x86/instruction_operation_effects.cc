// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/instruction_encoding.h"

namespace kebound::x86 {
namespace {

// What an operation does with its operands. Flags are read by the condition, not by this.
struct Access {
  bool reads[3];
  bool writes[3];
  bool reads_flags;
  bool writes_flags;
};

constexpr Access access_of(Op op, unsigned count) noexcept {
  switch (op) {
    case Op::Mov:
    case Op::Movzx:
    case Op::Movsx:
    case Op::Cqo:
      return {{false, true}, {true}, false, false};
    case Op::Lea:
      return {{false, false}, {true}, false, false};  // the address is read as a sum, not accessed
    case Op::Cmp:
    case Op::Test:
    case Op::Bt:
      return {{true, true}, {}, false, true};
    case Op::Sub:
    case Op::Add:
    case Op::And:
    case Op::Or:
    case Op::Xor:
    case Op::Shl:
    case Op::Shr:
    case Op::Sar:
    case Op::Neg:
    case Op::Inc:
    case Op::Dec:
      return {{true, true}, {true}, false, true};
    case Op::Adc:
    case Op::Sbb:
      return {{true, true}, {true}, true, true};
    case Op::Not:
      return {{true}, {true}, false, false};
    case Op::Imul:
      return {{count == 2, true, true}, {true}, false, true};
    case Op::Cmov:  // the old value stays where the condition is false
      return {{true, true}, {true}, true, false};
    case Op::Setcc:
      return {{}, {true}, true, false};
    case Op::Xchg:
      return {{true, true}, {true, true}, false, false};
    case Op::Jcc:
      return {{}, {}, true, false};
    case Op::Push:
    case Op::JmpIndirect:
    case Op::CallIndirect:
    case Op::Ud1:
      return {{true, true}, {}, false, false};
    case Op::Pop:
      return {{}, {true}, false, false};
    default:
      return {};
  }
}

void access(const Operand& operand, bool reads, bool writes, Instruction& out) noexcept {
  switch (operand.kind) {
    case OperandKind::Register:
      if (reads) out.reads |= register_bit(operand.reg);
      if (writes) out.writes |= register_bit(operand.reg);
      break;
    case OperandKind::Memory:
      out.reads_memory |= reads;
      out.writes_memory |= writes;
      break;
    default:
      break;
  }
}

}  // namespace

void describe_operation_effects(const Encoding& encoding, Instruction& out) noexcept {
  const Op op = out.op;
  const Access does = access_of(op, out.operand_count);
  for (unsigned i = 0; i < out.operand_count; ++i) {
    access(out.operands[i], does.reads[i], does.writes[i], out);
  }
  out.reads_flags = does.reads_flags;
  out.writes_flags = does.writes_flags;
  const EffectWriter writer(encoding, out);
  switch (op) {
    case Op::Push:
    case Op::Call:
    case Op::CallIndirect:
      writer.push();
      break;
    case Op::Pop:
      writer.pop();
      break;
    case Op::Ret:
      writer.pop();
      out.ends_block = true;
      out.falls_through = false;
      break;
    case Op::Loop:
      writer.read(Rcx);
      if (encoding.opcode != 0xe3) writer.write(Rcx);
      out.reads_flags = encoding.opcode < 0xe2;
      out.ends_block = true;
      break;
    case Op::Jcc:
      out.ends_block = true;
      break;
    case Op::Jmp:
    case Op::JmpIndirect:
    case Op::Ud1:
    case Op::Ud2:
      out.ends_block = true;
      out.falls_through = false;
      break;
    default:
      break;
  }
}

}  // namespace kebound::x86
