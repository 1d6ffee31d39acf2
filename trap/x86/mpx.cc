// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/mpx.h"

namespace kebound::x86 {

namespace {

constexpr size_t kLongest = 15;
constexpr uint8_t kNone = 0xff;

class Bytes {
 public:
  Bytes(const uint8_t* code, size_t size) noexcept
      : code_(code), size_(size < kLongest ? size : kLongest) {}
  [[nodiscard]] bool take(uint8_t& out) noexcept {
    if (position_ >= size_) return false;
    out = code_[position_++];
    return true;
  }
  [[nodiscard]] bool take_displacement(unsigned bytes, int32_t& out) noexcept {
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) {
      uint8_t byte = 0;
      if (!take(byte)) return false;
      value |= uint32_t{byte} << (8 * i);
    }
    out = bytes == 1 ? static_cast<int8_t>(value) : static_cast<int32_t>(value);
    return true;
  }
  [[nodiscard]] size_t position() const noexcept { return position_; }

 private:
  const uint8_t* code_;
  size_t size_;
  size_t position_ = 0;
};

struct Prefixes {
  uint8_t repeat = 0;  // the last of F2 and F3
  uint8_t rex = 0;
};

[[nodiscard]] bool take_prefixes(Bytes& bytes, bool code64, Prefixes& prefixes,
                                 uint8_t& opcode) noexcept {
  while (bytes.take(opcode)) {
    switch (opcode) {
      case 0xf2:
      case 0xf3:
        prefixes.repeat = opcode;
        prefixes.rex = 0;
        continue;
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
      case 0x64:
      case 0x65:
        prefixes.rex = 0;  // REX counts only directly before the opcode
        continue;
      default:
        break;
    }
    if (!code64 || (opcode & 0xf0) != 0x40) return true;
    prefixes.rex = opcode;
  }
  return false;
}

[[nodiscard]] uint8_t extended(unsigned number, bool rex_bit) noexcept {
  return static_cast<uint8_t>(number | (rex_bit ? 8u : 0u));
}

[[nodiscard]] bool take_memory(Bytes& bytes, unsigned mod, unsigned rm, uint8_t rex, bool code64,
                               MpxCheck& out) noexcept {
  unsigned base = rm;
  if (rm == 4) {
    uint8_t sib = 0;
    if (!bytes.take(sib)) return false;
    const uint8_t index = extended(sib >> 3 & 7u, (rex & 2) != 0);
    if (index != 4) {
      out.index = index;
      out.scale = static_cast<uint8_t>(1u << (sib >> 6));
    }
    base = sib & 7u;
  }
  if (mod == 0 && base == 5) {
    out.rip_relative = code64 && rm != 4;
    return bytes.take_displacement(4, out.displacement);
  }
  out.base = extended(base, (rex & 1) != 0);
  return mod == 0 || bytes.take_displacement(mod == 1 ? 1 : 4, out.displacement);
}

}  // namespace

bool decode_mpx_check(const uint8_t* code, size_t size, bool code64, MpxCheck& out) noexcept {
  Bytes bytes(code, size);
  Prefixes prefixes;
  uint8_t opcode = 0;
  uint8_t second = 0;
  uint8_t modrm = 0;
  if (!take_prefixes(bytes, code64, prefixes, opcode) || opcode != 0x0f || !bytes.take(second))
    return false;
  MpxCheck check;
  if (second == 0x1a && prefixes.repeat == 0xf3) {
    check.op = MpxOp::Lower;
  } else if (second == 0x1a && prefixes.repeat == 0xf2) {
    check.op = MpxOp::Upper;
  } else if (second == 0x1b && prefixes.repeat == 0xf2) {
    check.op = MpxOp::UpperPlain;
  } else {
    return false;
  }
  if (!bytes.take(modrm)) return false;
  const uint8_t bound = extended(modrm >> 3 & 7u, (prefixes.rex & 4) != 0);
  if (bound > 3) return false;  // there are four
  check.bound_register = bound;
  check.is_64bit = code64;
  const unsigned mod = modrm >> 6;
  const unsigned rm = modrm & 7u;
  if (mod == 3) {
    check.is_register = true;
    check.base = extended(rm, (prefixes.rex & 1) != 0);
  } else if (!take_memory(bytes, mod, rm, prefixes.rex, code64, check)) {
    return false;
  }
  check.length = static_cast<uint8_t>(bytes.position());
  out = check;
  return true;
}

void describe_mpx(const MpxCheck& check, const Registers& registers, BoundEvent& event) noexcept {
  const auto value = [&](uint8_t number) {
    return number == kNone ? uint64_t{0} : registers.gpr[number & 15];
  };
  uint64_t address = value(check.base) + value(check.index) * check.scale +
                     static_cast<uint64_t>(int64_t{check.displacement});
  if (check.rip_relative) address += registers.rip + check.length;
  if (!check.is_64bit) address &= 0xffffffff;
  event.source = BoundSource::X86Mpx;
  event.confidence = Confidence::Unknown;
  event.instruction_length = check.length;
  event.index_register = check.is_register ? check.base : uint8_t{0};
  event.index_width = check.is_64bit ? 64 : 32;
  event.index = static_cast<int64_t>(address);
  event.index_raw = address;
}

}  // namespace kebound::x86
