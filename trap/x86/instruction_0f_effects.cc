// SPDX-License-Identifier: Apache-2.0
//
// The effects of the integer and system instructions of map 0F that have no decoded operands.
#include "trap/x86/instruction_encoding.h"

namespace kebound::x86 {
namespace {

// Group 15: 0F AE with its many meanings.
void group15(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  if (e.has_memory) {
    effect.read_memory();
    effect.write_memory();
    effect.read(Rax);  // xsave, xrstor: which parts
    effect.read(Rdx);
    out.writes_flags = e.mandatory == MandatoryPrefix::PF3;  // clrssbsy
    return;
  }
  if (e.mandatory == MandatoryPrefix::None) return;  // fences
  effect.read_rm();
  if (e.mandatory == MandatoryPrefix::PF3 && e.reg < 2) effect.write_rm();  // rdfsbase, rdgsbase
  if (e.reg == 6) {                                                         // umwait, tpause
    effect.read(Rax);
    effect.read(Rdx);
    out.writes_flags = true;
  }
  if (e.reg == 5) out.reads_memory = true;  // incssp
}

bool map0f_group9(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  if (e.has_memory && e.reg == 1) {  // cmpxchg8b, cmpxchg16b
    effect.update(Rax);
    effect.update(Rdx);
    effect.read(Rbx);
    effect.read(Rcx);
    effect.read_memory();
    effect.write_memory();
    out.writes_flags = true;
    return true;
  }
  if (!e.has_memory && e.reg >= 6) {  // rdrand, rdseed, rdpid
    effect.update(e.rm_gpr());
    out.writes_flags = true;
    return true;
  }
  return false;
}

bool map0f_system(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  switch (e.opcode) {
    case 0x02:
    case 0x03:  // lar, lsl: the register keeps its value where ZF says so
      effect.read_rm();
      effect.read_reg();
      effect.write_reg();
      out.writes_flags = true;
      return true;
    case 0x06:
    case 0x08:
    case 0x09:
    case 0x0e:
    case 0x77:
      return true;
    case 0x0d:
    case 0x18:
    case 0x19:
    case 0x1c:
    case 0x1d:  // hints
      effect.read_reg();
      effect.read_rm();
      return true;
    case 0x1a:
    case 0x1b:  // MPX, or hints
      effect.read_reg();
      effect.read_rm();
      effect.write_memory();
      return true;
    case 0x1e:  // rdssp, or a hint
      effect.read_reg();
      effect.read_rm();
      if (e.mandatory == MandatoryPrefix::PF3 && !e.has_memory) effect.write_rm();
      return true;
    case 0x20:
    case 0x21:
      effect.write_rm();
      out.writes_flags = true;
      return true;
    case 0x22:
    case 0x23:
      effect.read_rm();
      out.writes_flags = true;
      return true;
    case 0x30:
      effect.read(Rax);
      effect.read(Rcx);
      effect.read(Rdx);
      return true;
    case 0x31:
    case 0x32:
    case 0x33:
      effect.read(Rcx);
      effect.write(Rax);
      effect.write(Rdx);
      return true;
    case 0xa0:
    case 0xa8:
      effect.push();
      return true;
    case 0xa1:
    case 0xa9:
      effect.pop();
      return true;
    case 0xa2:
      effect.update(Rax);
      effect.update(Rcx);
      effect.write(Rdx);
      effect.write(Rbx);
      return true;
    case 0xae:
      group15(e, out);
      return true;
    case 0xff:  // ud0
      effect.read_reg();
      effect.read_rm();
      out.ends_block = true;
      out.falls_through = false;
      return true;
    default:
      return false;
  }
}

bool map0f_integer(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  switch (e.opcode) {
    case 0xa4:
    case 0xa5:
    case 0xac:
    case 0xad:  // shld, shrd
      effect.read_rm();
      effect.write_rm();
      effect.read_reg();
      if (e.opcode & 1) effect.read(Rcx);
      out.writes_flags = true;
      return true;
    case 0xab:
    case 0xb3:
    case 0xbb:  // bts, btr, btc
      effect.read_reg();
      [[fallthrough]];
    case 0xba:
      effect.read_rm();
      effect.write_rm();
      out.writes_flags = true;
      return true;
    case 0xb0:
    case 0xb1:  // cmpxchg
      effect.read_rm(e.opcode == 0xb0);
      effect.write_rm(e.opcode == 0xb0);
      effect.read_reg();
      effect.read(static_cast<uint8_t>(e.reg_gpr() & 3));  // ah to bh
      effect.update(Rax);
      out.writes_flags = true;
      return true;
    case 0xb2:
    case 0xb4:
    case 0xb5:  // lss, lfs, lgs
      effect.write_reg();
      effect.read_memory();
      return true;
    case 0xb8:
    case 0xbc:
    case 0xbd:  // popcnt, bsf, bsr, tzcnt, lzcnt: bsf of zero leaves its destination alone
      effect.read_rm();
      effect.read_reg();
      effect.write_reg();
      out.writes_flags = true;
      return true;
    case 0xc0:
    case 0xc1:  // xadd
      effect.read_rm(e.opcode == 0xc0);
      effect.write_rm(e.opcode == 0xc0);
      effect.read_reg();
      effect.write_reg();
      if (e.opcode == 0xc0) effect.update(static_cast<uint8_t>(e.reg_gpr() & 3));
      out.writes_flags = true;
      return true;
    case 0xc3:  // movnti
      effect.read_reg();
      effect.write_memory();
      return true;
    case 0xc7:
      return map0f_group9(e, out);
    default:
      if (e.opcode < 0xc8 || e.opcode > 0xcf) return false;
      effect.update(e.opcode_gpr());  // bswap
      return true;
  }
}

}  // namespace

bool describe_0f_effects(const Encoding& encoding, Instruction& out) noexcept {
  return map0f_system(encoding, out) || map0f_integer(encoding, out);
}

}  // namespace kebound::x86
