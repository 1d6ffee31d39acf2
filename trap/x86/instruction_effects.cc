// SPDX-License-Identifier: Apache-2.0
//
// The effects of the instructions without decoded operands: those of the one-byte map. An opcode
// that is not listed does everything.
#include "trap/x86/instruction_encoding.h"

namespace kebound::x86 {
namespace {

// String operations: `reads` and `writes` as registers that point, move and count.
void string_operation(const Encoding& e, Instruction& out, bool source, bool destination) noexcept {
  const EffectWriter effect(e, out);
  if (source) effect.update(Rsi);
  if (destination) effect.update(Rdi);
  if (e.repeat) {
    effect.update(Rcx);
    out.reads_flags = true;  // cmps and scas
  }
}

void x87(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  if (e.has_memory) {
    // A bit for each value of the ModRM's reg: which of the memory forms store.
    static constexpr uint8_t kStores[] = {0x00, 0xcc, 0x00, 0x8e, 0x00, 0xce, 0x00, 0xce};
    if (kStores[e.opcode & 7] >> e.reg & 1) {
      effect.write_memory();
    } else {
      effect.read_memory();
    }
    return;
  }
  // fcmovcc, fcomi and their kin
  if ((e.opcode == 0xda || e.opcode == 0xdb) && e.reg < 4) out.reads_flags = true;
  if ((e.opcode == 0xdb || e.opcode == 0xdf) && (e.reg == 5 || e.reg == 6)) out.writes_flags = true;
  if (e.opcode == 0xdf && e.reg == 4) effect.update(Rax);  // fnstsw ax
}

void no_way_on(Instruction& out) noexcept {
  out.ends_block = true;
  out.falls_through = false;
}

// False where the opcode is not known.
bool one_byte_low(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  switch (e.opcode) {
    case 0x06:
    case 0x0e:
    case 0x16:
    case 0x1e:
      effect.push();
      return true;
    case 0x07:
    case 0x17:
    case 0x1f:
      effect.pop();
      return true;
    case 0x27:
    case 0x2f:
    case 0x37:
    case 0x3f:
      effect.update(Rax);
      out.reads_flags = out.writes_flags = true;
      return true;
    case 0x60:
      effect.everything();
      out.writes = register_bit(Rsp);
      out.reads_flags = out.writes_flags = out.reads_memory = false;
      return true;
    case 0x61:
      effect.everything();
      out.reads_flags = out.writes_flags = out.writes_memory = false;
      return true;
    case 0x62:
      effect.read_reg();
      effect.read_memory();
      return true;
    case 0x63:
      effect.read_rm();
      effect.write_rm();
      effect.read_reg();
      out.writes_flags = true;
      return true;
    case 0x6c:
    case 0x6d:
      string_operation(e, out, false, true);
      effect.read(Rdx);
      out.writes_memory = true;
      return true;
    case 0x6e:
    case 0x6f:
      string_operation(e, out, true, false);
      effect.read(Rdx);
      out.reads_memory = true;
      return true;
    case 0x8c:
      effect.write_rm();
      return true;
    case 0x8e:
      effect.read_rm();
      return true;
    case 0x9a:
      effect.push();
      return true;
    case 0x9b:
      return true;
    case 0x9c:
      effect.push();
      out.reads_flags = true;
      return true;
    case 0x9d:
      effect.pop();
      out.writes_flags = true;
      return true;
    case 0x9e:
      effect.read(Rax);
      out.writes_flags = true;
      return true;
    case 0x9f:
      effect.update(Rax);
      out.reads_flags = true;
      return true;
    default:
      return false;
  }
}

bool strings(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  switch (e.opcode & 0xfe) {
    case 0xa4:  // movs
      string_operation(e, out, true, true);
      out.reads_memory = out.writes_memory = true;
      return true;
    case 0xa6:  // cmps
      string_operation(e, out, true, true);
      out.reads_memory = out.writes_flags = true;
      return true;
    case 0xaa:  // stos
      string_operation(e, out, false, true);
      effect.read(Rax);
      out.writes_memory = true;
      return true;
    case 0xac:  // lods
      string_operation(e, out, true, false);
      effect.update(Rax);
      out.reads_memory = true;
      return true;
    case 0xae:  // scas
      string_operation(e, out, false, true);
      effect.read(Rax);
      out.reads_memory = out.writes_flags = true;
      return true;
    default:
      return false;
  }
}

// Groups 3 and 5 without what is named: multiplications, divisions, far branches.
bool groups(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  if (e.opcode == 0xf6 || e.opcode == 0xf7) {
    effect.read_rm(e.opcode == 0xf6);
    effect.update(Rax);
    if (e.opcode == 0xf7) effect.update(Rdx);
    out.writes_flags = true;
    return true;
  }
  if (e.opcode != 0xff || !e.has_memory) return false;
  effect.read_memory();
  if (e.reg == 3) {
    effect.push();
    return true;
  }
  no_way_on(out);
  return e.reg == 5;
}

bool one_byte_high(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  switch (e.opcode) {
    case 0xc0:
    case 0xc1:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:  // rotations
      effect.read_rm((e.opcode & 1) == 0);
      effect.write_rm((e.opcode & 1) == 0);
      if (e.opcode >= 0xd2) effect.read(Rcx);
      out.reads_flags = out.writes_flags = true;
      return true;
    case 0xc4:
    case 0xc5:
      effect.write_reg();
      effect.read_memory();
      return true;
    case 0xc6:
    case 0xc7:  // xabort, xbegin: on to a place that was named earlier, or is named here
      effect.everything();
      out.ends_block = true;
      return true;
    case 0xc8:
      effect.push();
      effect.update(Rbp);
      out.reads_memory = true;
      return true;
    case 0xc9:
      effect.pop();
      effect.update(Rbp);
      return true;
    case 0xca:
    case 0xcb:
      effect.pop();
      no_way_on(out);
      return true;
    case 0xcf:
      effect.everything();
      no_way_on(out);
      return true;
    case 0xd4:
    case 0xd5:
      effect.update(Rax);
      out.writes_flags = true;
      return true;
    case 0xd6:
      effect.update(Rax);
      out.reads_flags = true;
      return true;
    case 0xd7:
      effect.update(Rax);
      effect.read(Rbx);
      out.reads_memory = true;
      return true;
    case 0xe4:
    case 0xe5:
    case 0xec:
    case 0xed:  // in
      effect.update(Rax);
      effect.read(Rdx);
      return true;
    case 0xe6:
    case 0xe7:
    case 0xee:
    case 0xef:  // out
      effect.read(Rax);
      effect.read(Rdx);
      return true;
    case 0xea:
      no_way_on(out);
      return true;
    case 0xf4:
      return true;
    case 0xf5:
      out.reads_flags = out.writes_flags = true;
      return true;
    case 0xf8:
    case 0xf9:
      out.writes_flags = true;
      return true;
    case 0xfa:
    case 0xfb:
    case 0xfc:
    case 0xfd:  // interrupt and direction flags
      return true;
    default:
      if (e.opcode >= 0xd8 && e.opcode <= 0xdf) {
        x87(e, out);
        return true;
      }
      return e.opcode < 0xb0 ? strings(e, out) : e.opcode >= 0xf6 && groups(e, out);
  }
}

bool known_effects(const Encoding& e, Instruction& out) noexcept {
  if (e.form == EncodingForm::Legacy) {
    if (e.map == OpcodeMap::OneByte) {
      return e.opcode < 0xa0 ? one_byte_low(e, out) : one_byte_high(e, out);
    }
    if (e.map == OpcodeMap::Map0f && describe_0f_effects(e, out)) return true;
  }
  return describe_vector_effects(e, out);
}

}  // namespace

void describe_effects(const Encoding& encoding, Instruction& out) noexcept {
  if (known_effects(encoding, out)) return;
  EffectWriter(encoding, out).everything();
}

}  // namespace kebound::x86
