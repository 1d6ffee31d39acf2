// SPDX-License-Identifier: Apache-2.0
//
// The effects of SSE, AVX, AVX-512, MMX and the integer extensions among their opcodes. Nearly all
// of them touch vector registers and, by their one memory operand, memory: what is listed here are
// the exceptions, and the ranges where that much is known.
#include "trap/x86/instruction_encoding.h"

namespace kebound::x86 {
namespace {

// A set of opcodes within a map.
struct Opcodes {
  uint64_t words[4] = {};

  [[nodiscard]] constexpr bool has(uint8_t opcode) const noexcept {
    return words[opcode >> 6] >> (opcode & 63) & 1;
  }
};

struct Range {
  uint8_t first;
  uint8_t last;
};

template <size_t N>
constexpr Opcodes opcodes(const Range (&ranges)[N]) noexcept {
  Opcodes set;
  for (const Range& range : ranges) {
    for (unsigned i = range.first; i <= range.last; ++i)
      set.words[i >> 6] |= uint64_t{1} << (i & 63);
  }
  return set;
}

// Instructions between vector registers, masks and memory, as far as they are assigned.
constexpr Opcodes kVector0f = opcodes({{0x0f, 0x17},
                                       {0x28, 0x2f},
                                       {0x41, 0x4b},
                                       {0x50, 0x7f},
                                       {0x90, 0x93},
                                       {0x98, 0x99},
                                       {0xc2, 0xc2},
                                       {0xc4, 0xc6},
                                       {0xd0, 0xff}});
constexpr Opcodes kVector0f38 = opcodes({{0x00, 0x47},
                                         {0x4c, 0x7e},
                                         {0x83, 0x83},
                                         {0x88, 0x93},
                                         {0x96, 0xc8},
                                         {0xca, 0xcd},
                                         {0xcf, 0xcf},
                                         {0xdb, 0xdf}});
constexpr Opcodes kVector0f3a =
    opcodes({{0x00, 0x3f}, {0x40, 0x7f}, {0xc2, 0xc2}, {0xcc, 0xcc}, {0xce, 0xcf}, {0xdf, 0xdf}});
constexpr Opcodes kVectorMap5 = opcodes({{0x10, 0x11},
                                         {0x1d, 0x1d},
                                         {0x2a, 0x2f},
                                         {0x51, 0x51},
                                         {0x58, 0x5f},
                                         {0x6e, 0x6e},
                                         {0x78, 0x7e}});
constexpr Opcodes kVectorMap6 = opcodes({{0x13, 0x13},
                                         {0x2c, 0x2d},
                                         {0x42, 0x43},
                                         {0x4c, 0x4f},
                                         {0x56, 0x57},
                                         {0x96, 0xbf},
                                         {0xd6, 0xd7}});
// Which of them may store to their memory operand.
constexpr Opcodes kStores0f = opcodes({{0x11, 0x11},
                                       {0x13, 0x13},
                                       {0x17, 0x17},
                                       {0x29, 0x29},
                                       {0x2b, 0x2b},
                                       {0x7e, 0x7f},
                                       {0x91, 0x91},
                                       {0xd6, 0xd6},
                                       {0xe7, 0xe7}});
constexpr Opcodes kStores0f38 = opcodes({{0x10, 0x15},
                                         {0x20, 0x25},
                                         {0x2e, 0x35},
                                         {0x63, 0x63},
                                         {0x8a, 0x8b},
                                         {0x8e, 0x8e},
                                         {0xa0, 0xa3},
                                         {0xc6, 0xc7}});
constexpr Opcodes kStores0f3a =
    opcodes({{0x14, 0x17}, {0x19, 0x19}, {0x1b, 0x1b}, {0x1d, 0x1d}, {0x39, 0x39}, {0x3b, 0x3b}});
constexpr Opcodes kStoresMap5 = opcodes({{0x11, 0x11}, {0x7e, 0x7e}});

[[nodiscard]] bool is_scalar(const Encoding& e) noexcept {
  return e.mandatory == MandatoryPrefix::PF3 || e.mandatory == MandatoryPrefix::PF2;
}

void memory_operand(const Encoding& e, Instruction& out, const Opcodes& stores) noexcept {
  const EffectWriter effect(e, out);
  effect.read_memory();
  if (stores.has(e.opcode)) effect.write_memory();
}

// Masks to and from general registers, and the tests of masks.
void masks_0f(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  if (e.opcode == 0x92) effect.read_rm();
  if (e.opcode == 0x93) effect.write_reg();
  if (e.opcode >= 0x98) out.writes_flags = true;
}

void exceptions_0f(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  switch (e.opcode) {
    case 0x2a:  // cvtsi2ss
    case 0x6e:  // movd
    case 0x7b:  // vcvtusi2ss
    case 0xc4:  // pinsrw
      effect.read_rm();
      break;
    case 0x2c:
    case 0x2d:  // cvtss2si
    case 0x78:
    case 0x79:  // vcvtss2usi
      if (is_scalar(e)) effect.write_reg();
      break;
    case 0x2e:
    case 0x2f:  // comiss
      out.writes_flags = true;
      break;
    case 0x50:  // movmskps
    case 0xc5:  // pextrw
    case 0xd7:  // pmovmskb
      effect.write_reg();
      break;
    case 0x7e:  // movd; F3: a load
      if (e.mandatory != MandatoryPrefix::PF3) effect.write_rm();
      break;
    case 0xf7:  // maskmovq
      effect.read(Rdi);
      out.reads_memory = out.writes_memory = true;
      break;
    default:
      break;
  }
}

bool vector_0f(const Encoding& e, Instruction& out) noexcept {
  const bool legacy = e.form == EncodingForm::Legacy;
  if (!legacy && e.opcode == 0xae) {  // vldmxcsr, vstmxcsr
    const EffectWriter effect(e, out);
    effect.read_memory();
    effect.write_memory();
    return e.has_memory;
  }
  if (!kVector0f.has(e.opcode) || (legacy && e.opcode > 0x77 && e.opcode < 0x7a)) return false;
  if (!legacy && e.opcode >= 0x90 && e.opcode <= 0x99) masks_0f(e, out);
  memory_operand(e, out, kStores0f);
  exceptions_0f(e, out);
  return true;
}

// The integer extensions at the end of map 0F38.
bool integer_0f38(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  if (e.form == EncodingForm::Vex) {
    effect.read(e.vector_register);
    effect.read_rm();
    out.writes_flags = true;
    switch (e.opcode) {
      case 0xf2:  // andn
      case 0xf5:  // bzhi, pdep, pext
      case 0xf7:  // bextr, shlx, sarx, shrx
        effect.write_reg();
        return true;
      case 0xf3:  // blsr, blsmsk, blsi
        effect.write(e.vector_register);
        return true;
      case 0xf6:  // mulx
        effect.read(Rdx);
        effect.write_reg();
        effect.write(e.vector_register);
        return true;
      default:
        return false;
    }
  }
  switch (e.opcode) {
    case 0xf0:
    case 0xf1:
      effect.read_rm(e.opcode == 0xf0);
      if (e.mandatory == MandatoryPrefix::PF2 || e.opcode == 0xf0) {  // crc32, movbe to a register
        effect.read_reg();
        effect.write_reg();
        return true;
      }
      effect.read_reg();  // movbe to memory
      effect.write_memory();
      return true;
    case 0xf6:  // adcx, adox; without a prefix wrss
      effect.read_rm();
      effect.read_reg();
      effect.write_reg();
      effect.write_memory();
      out.reads_flags = out.writes_flags = true;
      return true;
    case 0xf9:  // movdiri
      effect.read_reg();
      effect.write_memory();
      return true;
    default:
      return false;
  }
}

bool vector_0f38(const Encoding& e, Instruction& out) noexcept {
  if (e.opcode >= 0xf0) return e.form != EncodingForm::Evex && integer_0f38(e, out);
  if (!kVector0f38.has(e.opcode)) return false;
  // Tile registers' loads have this opcode's neighbours; what is not a vector's is not known.
  memory_operand(e, out, kStores0f38);
  const EffectWriter effect(e, out);
  if (e.form == EncodingForm::Legacy) {
    if (e.opcode == 0x17) out.writes_flags = true;       // ptest
    if (is_scalar(e) && e.opcode >= 0xd8) return false;  // key locker
    return true;
  }
  if (e.form == EncodingForm::Vex) {
    if (e.opcode == 0x0e || e.opcode == 0x0f || e.opcode == 0x17) out.writes_flags = true;
    return true;
  }
  if (e.opcode >= 0x7a && e.opcode <= 0x7c) effect.read_rm();  // vpbroadcast from a register
  return true;
}

bool vector_0f3a(const Encoding& e, Instruction& out) noexcept {
  const EffectWriter effect(e, out);
  if (e.opcode == 0xf0 && e.form == EncodingForm::Vex) {  // rorx
    effect.read_rm();
    effect.write_reg();
    return true;
  }
  if (!kVector0f3a.has(e.opcode)) return false;
  memory_operand(e, out, kStores0f3a);
  switch (e.opcode) {
    case 0x14:
    case 0x15:
    case 0x16:
    case 0x17:  // pextrb and its family
      effect.write_rm();
      break;
    case 0x20:
    case 0x22:  // pinsrb and its family
      effect.read_rm();
      break;
    case 0x60:
    case 0x61:
    case 0x62:
    case 0x63:  // pcmpestrm and its family
      effect.read(Rax);
      effect.read(Rdx);
      if (e.opcode & 1) effect.write(Rcx);
      out.writes_flags = true;
      break;
    default:
      break;
  }
  return true;
}

bool vector_map5(const Encoding& e, Instruction& out) noexcept {
  if (!kVectorMap5.has(e.opcode)) return false;
  memory_operand(e, out, kStoresMap5);
  exceptions_0f(e, out);
  return true;
}

bool vector_map6(const Encoding& e, Instruction& out) noexcept {
  if (!kVectorMap6.has(e.opcode)) return false;
  EffectWriter(e, out).read_memory();
  return true;
}

}  // namespace

bool describe_vector_effects(const Encoding& encoding, Instruction& out) noexcept {
  switch (encoding.map) {
    case OpcodeMap::Map0f:
      return vector_0f(encoding, out);
    case OpcodeMap::Map0f38:
      return vector_0f38(encoding, out);
    case OpcodeMap::Map0f3a:
      return vector_0f3a(encoding, out);
    case OpcodeMap::Map5:
      return vector_map5(encoding, out);
    case OpcodeMap::Map6:
      return vector_map6(encoding, out);
    default:
      return false;  // XOP: no processor of today has it
  }
}

bool has_vector_index(const Encoding& encoding) noexcept {
  if (encoding.map != OpcodeMap::Map0f38 || !encoding.has_memory) return false;
  if (encoding.form == EncodingForm::Legacy) return false;
  if (encoding.opcode >= 0x90 && encoding.opcode <= 0x93) return true;
  return encoding.form == EncodingForm::Evex &&
         ((encoding.opcode >= 0xa0 && encoding.opcode <= 0xa3) || encoding.opcode == 0xc6 ||
          encoding.opcode == 0xc7);
}

}  // namespace kebound::x86
