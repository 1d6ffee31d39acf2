// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/instruction_oracle_names.h"

namespace kebound::x86::oracle {

bool is_general(ZydisRegister reg) {
  switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      return true;
    default:
      return false;
  }
}

namespace {

bool has_only_general(const Decoded& z) {
  for (const ZydisDecodedOperand& operand : z.visible()) {
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && !is_general(operand.reg.value)) return false;
    if (operand.type == ZYDIS_OPERAND_TYPE_POINTER) return false;
  }
  return true;
}

struct Conditional {
  ZydisMnemonic jump, set, move;
};
constexpr Conditional kConditions[16] = {
    {ZYDIS_MNEMONIC_JO, ZYDIS_MNEMONIC_SETO, ZYDIS_MNEMONIC_CMOVO},
    {ZYDIS_MNEMONIC_JNO, ZYDIS_MNEMONIC_SETNO, ZYDIS_MNEMONIC_CMOVNO},
    {ZYDIS_MNEMONIC_JB, ZYDIS_MNEMONIC_SETB, ZYDIS_MNEMONIC_CMOVB},
    {ZYDIS_MNEMONIC_JNB, ZYDIS_MNEMONIC_SETNB, ZYDIS_MNEMONIC_CMOVNB},
    {ZYDIS_MNEMONIC_JZ, ZYDIS_MNEMONIC_SETZ, ZYDIS_MNEMONIC_CMOVZ},
    {ZYDIS_MNEMONIC_JNZ, ZYDIS_MNEMONIC_SETNZ, ZYDIS_MNEMONIC_CMOVNZ},
    {ZYDIS_MNEMONIC_JBE, ZYDIS_MNEMONIC_SETBE, ZYDIS_MNEMONIC_CMOVBE},
    {ZYDIS_MNEMONIC_JNBE, ZYDIS_MNEMONIC_SETNBE, ZYDIS_MNEMONIC_CMOVNBE},
    {ZYDIS_MNEMONIC_JS, ZYDIS_MNEMONIC_SETS, ZYDIS_MNEMONIC_CMOVS},
    {ZYDIS_MNEMONIC_JNS, ZYDIS_MNEMONIC_SETNS, ZYDIS_MNEMONIC_CMOVNS},
    {ZYDIS_MNEMONIC_JP, ZYDIS_MNEMONIC_SETP, ZYDIS_MNEMONIC_CMOVP},
    {ZYDIS_MNEMONIC_JNP, ZYDIS_MNEMONIC_SETNP, ZYDIS_MNEMONIC_CMOVNP},
    {ZYDIS_MNEMONIC_JL, ZYDIS_MNEMONIC_SETL, ZYDIS_MNEMONIC_CMOVL},
    {ZYDIS_MNEMONIC_JNL, ZYDIS_MNEMONIC_SETNL, ZYDIS_MNEMONIC_CMOVNL},
    {ZYDIS_MNEMONIC_JLE, ZYDIS_MNEMONIC_SETLE, ZYDIS_MNEMONIC_CMOVLE},
    {ZYDIS_MNEMONIC_JNLE, ZYDIS_MNEMONIC_SETNLE, ZYDIS_MNEMONIC_CMOVNLE}};

Name branch_name(const Decoded& z, Op direct, Op indirect) {
  if (z.instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return {};
  return {z.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? direct : indirect};
}

}  // namespace

Name name_of(const Decoded& z) {
  const ZydisMnemonic mnemonic = z.instruction.mnemonic;
  for (uint8_t i = 0; i < 16; ++i) {
    if (mnemonic == kConditions[i].jump) return {Op::Jcc, i};
    if (mnemonic == kConditions[i].set) return {Op::Setcc, i};
    if (mnemonic == kConditions[i].move) return {Op::Cmov, i};
  }
  const auto general = [&z](Op op) { return Name{has_only_general(z) ? op : Op::Other}; };
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
      return general(Op::Mov);
    case ZYDIS_MNEMONIC_PUSH:
      return general(Op::Push);
    case ZYDIS_MNEMONIC_POP:
      return general(Op::Pop);
    case ZYDIS_MNEMONIC_MOVZX:
      return {Op::Movzx};
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD:
    case ZYDIS_MNEMONIC_CBW:
    case ZYDIS_MNEMONIC_CWDE:
    case ZYDIS_MNEMONIC_CDQE:
      return {Op::Movsx};
    case ZYDIS_MNEMONIC_CWD:
    case ZYDIS_MNEMONIC_CDQ:
    case ZYDIS_MNEMONIC_CQO:
      return {Op::Cqo};
    case ZYDIS_MNEMONIC_LEA:
      return {Op::Lea};
    case ZYDIS_MNEMONIC_CMP:
      return {Op::Cmp};
    case ZYDIS_MNEMONIC_TEST:
      return {Op::Test};
    case ZYDIS_MNEMONIC_SUB:
      return {Op::Sub};
    case ZYDIS_MNEMONIC_ADD:
      return {Op::Add};
    case ZYDIS_MNEMONIC_AND:
      return {Op::And};
    case ZYDIS_MNEMONIC_OR:
      return {Op::Or};
    case ZYDIS_MNEMONIC_XOR:
      return {Op::Xor};
    case ZYDIS_MNEMONIC_NEG:
      return {Op::Neg};
    case ZYDIS_MNEMONIC_NOT:
      return {Op::Not};
    case ZYDIS_MNEMONIC_INC:
      return {Op::Inc};
    case ZYDIS_MNEMONIC_DEC:
      return {Op::Dec};
    case ZYDIS_MNEMONIC_SHL:
      return {Op::Shl};
    case ZYDIS_MNEMONIC_SHR:
      return {Op::Shr};
    case ZYDIS_MNEMONIC_SAR:
      return {Op::Sar};
    case ZYDIS_MNEMONIC_IMUL:
      return {z.instruction.operand_count_visible >= 2 ? Op::Imul : Op::Other};
    case ZYDIS_MNEMONIC_ADC:
      return {Op::Adc};
    case ZYDIS_MNEMONIC_SBB:
      return {Op::Sbb};
    case ZYDIS_MNEMONIC_BT:
      return {Op::Bt};
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
      return {Op::Loop};
    case ZYDIS_MNEMONIC_JMP:
      return branch_name(z, Op::Jmp, Op::JmpIndirect);
    case ZYDIS_MNEMONIC_CALL:
      return branch_name(z, Op::Call, Op::CallIndirect);
    case ZYDIS_MNEMONIC_RET:
      return {z.instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? Op::Other : Op::Ret};
    case ZYDIS_MNEMONIC_XCHG:
      return {Op::Xchg};
    case ZYDIS_MNEMONIC_UD2:
      return {Op::Ud2};
    case ZYDIS_MNEMONIC_UD1:
      return {Op::Ud1};
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_PAUSE:
      return {Op::Nop};
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
      return {Op::Endbr};
    case ZYDIS_MNEMONIC_INT3:
      return {Op::Int3};
    default:
      return {};
  }
}

}  // namespace kebound::x86::oracle
