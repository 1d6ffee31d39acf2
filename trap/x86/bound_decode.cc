// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/bound.h"

namespace kebound::x86 {
namespace {

constexpr uint8_t kOpcodeBound = 0x62;

// The bytes of one instruction: what was readable, and never more than the processor accepts. Every
// take beyond that fails, so an instruction of 16 bytes ends like a truncated one: not a BOUND.
class Bytes {
 public:
  Bytes(const uint8_t* code, size_t size) noexcept
      : code_(code), size_(size < kMaxInstructionLength ? size : kMaxInstructionLength) {}

  [[nodiscard]] bool take(uint8_t& out) noexcept {
    if (position_ >= size_) return false;
    out = code_[position_++];
    return true;
  }

  // A little-endian displacement of 1, 2 or 4 bytes, sign-extended.
  [[nodiscard]] bool take_displacement(unsigned bytes, int32_t& out) noexcept {
    if (bytes > size_ - position_) return false;
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= uint32_t{code_[position_++]} << (8 * i);
    switch (bytes) {
      case 1:
        out = static_cast<int8_t>(value);
        break;
      case 2:
        out = static_cast<int16_t>(value);
        break;
      default:
        out = static_cast<int32_t>(value);
        break;
    }
    return true;
  }

  [[nodiscard]] uint8_t position() const noexcept { return static_cast<uint8_t>(position_); }

 private:
  const uint8_t* code_;
  size_t size_;
  size_t position_ = 0;
};

struct Prefixes {
  bool operand_size = false;
  bool address_size = false;
  bool has_segment = false;
  Segment segment = Segment::Ds;

  void override_segment(Segment value) noexcept {
    has_segment = true;
    segment = value;  // of several, processors obey the last
  }
};

// Takes prefixes, in any order and number, and the byte after them. False at the end of the bytes
// and for LOCK, which makes a BOUND an invalid opcode.
bool take_prefixes(Bytes& bytes, Prefixes& prefixes, uint8_t& opcode) noexcept {
  while (bytes.take(opcode)) {
    if (opcode == kOpcodeBound) return true;  // first: a kernel's switch is a chain of compares
    switch (opcode) {
      case 0x26:
        prefixes.override_segment(Segment::Es);
        break;
      case 0x2e:
        prefixes.override_segment(Segment::Cs);
        break;
      case 0x36:
        prefixes.override_segment(Segment::Ss);
        break;
      case 0x3e:
        prefixes.override_segment(Segment::Ds);
        break;
      case 0x64:
        prefixes.override_segment(Segment::Fs);
        break;
      case 0x65:
        prefixes.override_segment(Segment::Gs);
        break;
      case 0x66:
        prefixes.operand_size = true;
        break;
      case 0x67:
        prefixes.address_size = true;
        break;
      case 0xf2:
      case 0xf3:
        break;  // without meaning for BOUND, and without harm
      case 0xf0:
        return false;
      default:
        return true;
    }
  }
  return false;
}

// SDM volume 2A, table 2-1: 16-bit addressing forms with the ModRM byte.
bool take_operand16(Bytes& bytes, unsigned mod, unsigned rm, BoundInstruction& out) noexcept {
  static constexpr uint8_t kBase[8] = {Rbx, Rbx, Rbp, Rbp, Rsi, Rdi, Rbp, Rbx};
  static constexpr uint8_t kIndex[8] = {Rsi,         Rdi,         Rsi,         Rdi,
                                        kNoRegister, kNoRegister, kNoRegister, kNoRegister};
  if (mod == 0 && rm == 6) return bytes.take_displacement(2, out.displacement);
  out.base = kBase[rm];
  out.index = kIndex[rm];
  return mod == 0 || bytes.take_displacement(mod, out.displacement);
}

// SDM volume 2A, tables 2-2 and 2-3: 32-bit addressing forms with the ModRM and the SIB byte.
bool take_operand32(Bytes& bytes, unsigned mod, unsigned rm, BoundInstruction& out) noexcept {
  unsigned base = rm;
  if (rm == 4) {
    uint8_t sib = 0;
    if (!bytes.take(sib)) return false;
    const unsigned index = sib >> 3 & 7;
    if (index != 4) {
      out.index = static_cast<uint8_t>(index);
      out.scale = static_cast<uint8_t>(1u << (sib >> 6));
    }
    base = sib & 7u;
  }
  if (mod == 0 && base == 5) return bytes.take_displacement(4, out.displacement);
  out.base = static_cast<uint8_t>(base);
  return mod == 0 || bytes.take_displacement(mod == 1 ? 1 : 4, out.displacement);
}

}  // namespace

bool decode_bound(const uint8_t* code, size_t size, CodeSize code_size,
                  BoundInstruction& out) noexcept {
  Bytes bytes(code, size);
  Prefixes prefixes;
  uint8_t opcode = 0;
  uint8_t modrm = 0;
  if (!take_prefixes(bytes, prefixes, opcode) || opcode != kOpcodeBound || !bytes.take(modrm)) {
    return false;
  }
  const unsigned mod = modrm >> 6;
  const unsigned rm = modrm & 7u;
  if (mod == 3) return false;  // EVEX where there is AVX-512, an invalid opcode elsewhere

  const bool code32 = code_size == CodeSize::Bits32;
  BoundInstruction instruction;
  instruction.operand_bits = code32 != prefixes.operand_size ? 32 : 16;
  instruction.address_bits = code32 != prefixes.address_size ? 32 : 16;
  instruction.index_register = modrm >> 3 & 7;
  const bool complete = instruction.address_bits == 16
                            ? take_operand16(bytes, mod, rm, instruction)
                            : take_operand32(bytes, mod, rm, instruction);
  if (!complete) return false;

  const bool stack_based = instruction.base == Rbp || instruction.base == Rsp;
  instruction.segment = prefixes.has_segment ? prefixes.segment
                        : stack_based        ? Segment::Ss
                                             : Segment::Ds;
  instruction.length = bytes.position();
  out = instruction;
  return true;
}

}  // namespace kebound::x86
