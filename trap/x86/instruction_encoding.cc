// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/instruction_encoding.h"

namespace kebound::x86 {
namespace {

class Parser {
 public:
  Parser(const uint8_t* code, size_t size, uint64_t address, Encoding& out) noexcept
      : code_(code),
        size_(size < kMaxInstructionLength ? size : kMaxInstructionLength),
        address_(address),
        e_(out) {}

  bool parse() noexcept {
    if (!prefixes() || !opcode()) return false;
    const Layout layout = layout_of(e_);
    if (layout == Layout::Invalid || !operands(layout)) return false;
    e_.length = static_cast<uint8_t>(at_);
    if (e_.memory.rip_relative) finish_rip_relative();
    return true;
  }

 private:
  bool peek(size_t offset, uint8_t& out) const noexcept {
    if (offset >= size_ - at_) return false;  // at_ never exceeds size_
    out = code_[at_ + offset];
    return true;
  }

  bool fetch(uint8_t& out) noexcept {
    if (!peek(0, out)) return false;
    ++at_;
    return true;
  }

  // A little-endian number, sign-extended.
  bool fetch_signed(unsigned bytes, int64_t& out) noexcept {
    if (bytes > size_ - at_) return false;
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= uint64_t{code_[at_ + i]} << (8 * i);
    at_ += bytes;
    if (bytes < 8) {
      const uint64_t sign = uint64_t{1} << (8 * bytes - 1);
      value = (value ^ sign) - sign;
    }
    out = static_cast<int64_t>(value);
    return true;
  }

  bool fetch_immediate(unsigned bytes) noexcept {
    e_.immediate_bytes = static_cast<uint8_t>(bytes);
    return fetch_signed(bytes, e_.immediate);
  }

  void override_segment(Segment segment) noexcept {
    // 64-bit code ignores all overrides but these.
    if (e_.bits64() && segment != Segment::Fs && segment != Segment::Gs) return;
    e_.segment_overridden = true;
    e_.segment = segment;
  }

  // True if `byte` is a legacy prefix, which is taken note of.
  bool prefix(uint8_t byte) noexcept {
    switch (byte) {
      case 0x26:
        override_segment(Segment::Es);
        return true;
      case 0x2e:
        override_segment(Segment::Cs);
        return true;
      case 0x36:
        override_segment(Segment::Ss);
        return true;
      case 0x3e:
        override_segment(Segment::Ds);
        return true;
      case 0x64:
        override_segment(Segment::Fs);
        return true;
      case 0x65:
        override_segment(Segment::Gs);
        return true;
      case 0x66:
        e_.operand16 = true;
        return true;
      case 0x67:
        address_override_ = true;
        return true;
      case 0xf0:
        e_.lock = true;
        return true;
      case 0xf2:
        e_.repeat = true;
        e_.mandatory = MandatoryPrefix::PF2;
        return true;
      case 0xf3:
        e_.repeat = true;
        e_.mandatory = MandatoryPrefix::PF3;
        return true;
      default:
        return false;
    }
  }

  bool prefixes() noexcept {
    uint8_t rex = 0;
    for (;;) {
      uint8_t byte = 0;
      if (!peek(0, byte)) return false;
      if (prefix(byte)) {
        rex = 0;  // a REX that is not the last prefix does nothing
      } else if (e_.bits64() && (byte & 0xf0) == 0x40) {
        rex = byte;
      } else {
        break;
      }
      ++at_;
    }
    if (rex != 0) {
      e_.rex = true;
      e_.wide = (rex & 8) != 0;
      set_register_bits((rex & 4) != 0, (rex & 2) != 0, (rex & 1) != 0);
    }
    if (e_.mandatory == MandatoryPrefix::None && e_.operand16) e_.mandatory = MandatoryPrefix::P66;
    e_.address_bits = e_.bits64() ? (address_override_ ? 32 : 64) : (address_override_ ? 16 : 32);
    return true;
  }

  // In 32-bit code there are eight registers, whatever the bits say.
  void set_register_bits(bool r, bool x, bool b) noexcept {
    if (!e_.bits64()) return;
    e_.rex_r = r ? 8 : 0;
    e_.rex_x = x ? 8 : 0;
    e_.rex_b = b ? 8 : 0;
  }

  void set_vector_register(unsigned inverted) noexcept {
    e_.vector_register = static_cast<uint8_t>(~inverted & (e_.bits64() ? 15 : 7));
  }

  bool opcode() noexcept {
    uint8_t byte = 0;
    if (!fetch(byte)) return false;
    uint8_t next = 0;
    const bool has_next = peek(0, next);
    bool known = true;
    if (byte == 0x0f) {
      known = escaped_opcode();
    } else if ((byte == 0xc4 || byte == 0xc5 || byte == 0x62) &&
               (e_.bits64() || (has_next && next >= 0xc0))) {
      known = byte == 0x62 ? evex() : byte == 0xc4 ? vex3(EncodingForm::Vex) : vex2();
    } else if (byte == 0x8f && has_next && (next & 0x1f) >= 8) {
      known = vex3(EncodingForm::Xop);
    } else {
      e_.opcode = byte;
    }
    e_.operand_bits = e_.wide ? 64 : e_.operand16 ? 16 : 32;
    return known;
  }

  bool escaped_opcode() noexcept {
    e_.map = OpcodeMap::Map0f;
    if (!fetch(e_.opcode)) return false;
    if (e_.opcode != 0x38 && e_.opcode != 0x3a) return true;
    e_.map = e_.opcode == 0x38 ? OpcodeMap::Map0f38 : OpcodeMap::Map0f3a;
    return fetch(e_.opcode);
  }

  [[nodiscard]] bool prefixed_wrongly() const noexcept {
    return e_.lock || e_.repeat || e_.operand16 || e_.rex;
  }

  void vector_prefix(EncodingForm form, unsigned map, unsigned pp) noexcept {
    static constexpr MandatoryPrefix kPrefixes[] = {MandatoryPrefix::None, MandatoryPrefix::P66,
                                                    MandatoryPrefix::PF3, MandatoryPrefix::PF2};
    e_.form = form;
    e_.map = static_cast<OpcodeMap>(map);
    e_.mandatory = kPrefixes[pp & 3];
  }

  bool vex2() noexcept {
    uint8_t byte = 0;
    if (prefixed_wrongly() || !fetch(byte) || !fetch(e_.opcode)) return false;
    set_register_bits((byte & 0x80) == 0, false, false);
    set_vector_register(byte >> 3 & 15u);
    vector_prefix(EncodingForm::Vex, 1, byte);
    return true;
  }

  // Three-byte VEX, and XOP, which has the same fields.
  bool vex3(EncodingForm form) noexcept {
    uint8_t first = 0;
    uint8_t second = 0;
    if (prefixed_wrongly() || !fetch(first) || !fetch(second) || !fetch(e_.opcode)) return false;
    const unsigned map = first & 0x1f;
    if (form == EncodingForm::Vex ? map < 1 || map > 3 : map > 10) return false;
    set_register_bits((first & 0x80) == 0, (first & 0x40) == 0, (first & 0x20) == 0);
    set_vector_register(second >> 3 & 15u);
    e_.wide = (second & 0x80) != 0 && e_.bits64();
    vector_prefix(form, map, second);
    return true;
  }

  bool evex() noexcept {
    uint8_t first = 0;
    uint8_t second = 0;
    uint8_t third = 0;
    if (prefixed_wrongly() || !fetch(first) || !fetch(second) || !fetch(third) ||
        !fetch(e_.opcode)) {
      return false;
    }
    const unsigned map = first & 7;
    const bool fixed_bits = (first & 8) == 0 && (second & 4) != 0;
    if (!fixed_bits || map == 0 || map == 4 || map == 7) return false;
    set_register_bits((first & 0x80) == 0, (first & 0x40) == 0, (first & 0x20) == 0);
    set_vector_register(second >> 3 & 15u);
    e_.wide = (second & 0x80) != 0 && e_.bits64();
    vector_prefix(EncodingForm::Evex, map, second);
    return true;
  }

  bool operands(Layout layout) noexcept {
    const unsigned immediate_z = e_.operand_bits == 16 ? 2 : 4;
    // XBEGIN is where a group has a branch's operand.
    switch (layout) {
      case Layout::Invalid:
        return false;
      case Layout::Plain:
        return true;
      case Layout::Imm8:
      case Layout::Rel8:
        return fetch_immediate(1);
      case Layout::Imm16:
        return fetch_immediate(2);
      case Layout::ImmZ:
        return fetch_immediate(immediate_z);
      case Layout::ImmV:
        return fetch_immediate(e_.wide ? 8 : immediate_z);
      case Layout::RelZ:
        return fetch_immediate(e_.bits64() ? 4 : immediate_z);
      case Layout::Offset:
        return offset();
      case Layout::FarPointer:
        return fetch_immediate(immediate_z) && skip(2);
      case Layout::Enter:
        return fetch_immediate(2) && skip(1);
      case Layout::ModRm:
        return modrm();
      case Layout::ModRmImm8:
        return modrm() && fetch_immediate(1);
      case Layout::ModRmImmZ:
        return modrm() && fetch_immediate(immediate_z);
      case Layout::ModRmImm32:
        return modrm() && fetch_immediate(4);
      case Layout::ModRmTwoImm8:
        return modrm() && fetch_immediate(1) && skip(1);
      case Layout::ModRmRegister:
        return modrm_register();
      case Layout::Group3Byte:
        return modrm() && (e_.reg > 1 || fetch_immediate(1));
      case Layout::Group3:
        return modrm() && (e_.reg > 1 || fetch_immediate(immediate_z));
    }
    return false;
  }

  bool skip(unsigned bytes) noexcept {
    int64_t ignored = 0;
    return fetch_signed(bytes, ignored);
  }

  bool modrm_register() noexcept {
    uint8_t byte = 0;
    if (!fetch(byte)) return false;
    e_.has_modrm = true;
    e_.mod = 3;
    e_.reg = byte >> 3 & 7;
    e_.rm = byte & 7;
    return true;
  }

  bool modrm() noexcept {
    uint8_t byte = 0;
    if (!peek(0, byte) || !modrm_register()) return false;
    e_.mod = byte >> 6;
    if (e_.mod == 3) return true;
    e_.has_memory = true;
    e_.memory.kind = OperandKind::Memory;
    e_.memory.address_bits = e_.address_bits;
    const bool parsed = e_.address_bits == 16 ? address16() : address();
    finish_segment();
    return parsed;
  }

  // An absolute address without ModRM.
  bool offset() noexcept {
    e_.has_memory = true;
    e_.memory.kind = OperandKind::Memory;
    e_.memory.address_bits = e_.address_bits;
    finish_segment();
    return fetch_signed(e_.address_bits / 8u, e_.memory.displacement);
  }

  bool address16() noexcept {
    static constexpr uint8_t kBases[] = {Rbx, Rbx, Rbp, Rbp, Rsi, Rdi, Rbp, Rbx};
    static constexpr uint8_t kIndexes[] = {Rsi, Rdi, Rsi, Rdi};
    if (e_.mod == 0 && e_.rm == 6) return fetch_signed(2, e_.memory.displacement);
    e_.memory.base = kBases[e_.rm];
    if (e_.rm < 4) e_.memory.index = kIndexes[e_.rm];
    return e_.mod == 0 || fetch_signed(e_.mod, e_.memory.displacement);
  }

  bool address() noexcept {
    uint8_t base = e_.rm;
    if (e_.rm == 4) {
      uint8_t sib = 0;
      if (!fetch(sib)) return false;
      const auto index = static_cast<uint8_t>((sib >> 3 & 7) | e_.rex_x);
      if (index != Rsp) {
        e_.memory.index = index;
        e_.memory.scale = static_cast<uint8_t>(1 << (sib >> 6));
      }
      base = sib & 7;
    }
    if (e_.mod == 0 && base == Rbp) {
      e_.memory.rip_relative = e_.rm == Rbp && e_.bits64();
      return fetch_signed(4, e_.memory.displacement);
    }
    e_.memory.base = static_cast<uint8_t>(base | e_.rex_b);
    if (e_.mod == 0) return true;
    return fetch_signed(e_.mod == 1 ? 1 : 4, e_.memory.displacement);
  }

  void finish_segment() noexcept {
    const bool stack = e_.memory.base == Rbp || e_.memory.base == Rsp;
    e_.memory.segment = e_.segment_overridden ? e_.segment : stack ? Segment::Ss : Segment::Ds;
  }

  // Known only now: it counts from the end of the instruction.
  void finish_rip_relative() noexcept {
    uint64_t target = address_ + at_ + static_cast<uint64_t>(e_.memory.displacement);
    if (e_.address_bits == 32) target &= 0xffffffff;
    e_.memory.displacement = static_cast<int64_t>(target);
  }

  const uint8_t* code_;
  size_t size_;
  size_t at_ = 0;
  uint64_t address_;
  bool address_override_ = false;
  Encoding& e_;
};

}  // namespace

bool parse_encoding(const uint8_t* code, size_t size, uint64_t address, CodeMode mode,
                    Encoding& out) noexcept {
  out = Encoding{};
  out.mode = mode;
  return Parser(code, size, address, out).parse();
}

}  // namespace kebound::x86
