// SPDX-License-Identifier: Apache-2.0
//
// Inside the decoder: an instruction taken apart into its fields, before anybody asks what it does.
#pragma once

#include "trap/x86/instruction.h"

namespace kebound::x86 {

// The opcode maps, numbered as VEX, EVEX and XOP do.
enum class OpcodeMap : uint8_t {
  OneByte = 0,
  Map0f = 1,
  Map0f38 = 2,
  Map0f3a = 3,
  Map5 = 5,
  Map6 = 6,
  Xop8 = 8,
  Xop9 = 9,
  XopA = 10,
};

enum class EncodingForm : uint8_t { Legacy, Vex, Evex, Xop };

// The prefix that selects among the instructions of one opcode: the last of F2 and F3, else 66.
enum class MandatoryPrefix : uint8_t { None, P66, PF3, PF2 };

struct Encoding {
  CodeMode mode = CodeMode::Bits32;
  EncodingForm form = EncodingForm::Legacy;
  OpcodeMap map = OpcodeMap::OneByte;
  uint8_t opcode = 0;
  MandatoryPrefix mandatory = MandatoryPrefix::None;
  bool lock = false;
  bool repeat = false;     // F2 or F3
  bool operand16 = false;  // 66 is there; REX.W overrides it
  bool rex = false;
  bool wide = false;                // REX.W, VEX.W
  uint8_t rex_r = 0;                // 0 or 8, the same for x and b
  uint8_t rex_x = 0;                //
  uint8_t rex_b = 0;                //
  uint8_t vector_register = 0;      // vvvv, a Gpr where it is one
  uint8_t operand_bits = 0;         // 16, 32, 64: by prefixes alone
  uint8_t address_bits = 0;         // 16, 32, 64
  bool segment_overridden = false;  //
  Segment segment = Segment::Ds;    // if overridden
  bool has_modrm = false;           //
  bool has_memory = false;          // mod != 3
  uint8_t mod = 0;                  //
  uint8_t reg = 0;                  // without REX.R
  uint8_t rm = 0;                   // without REX.B
  Operand memory;                   // if has_memory; bits is 0
  uint8_t immediate_bytes = 0;      // of the first immediate
  int64_t immediate = 0;            // sign-extended
  uint8_t length = 0;

  [[nodiscard]] bool bits64() const noexcept { return mode == CodeMode::Bits64; }
  [[nodiscard]] uint8_t reg_gpr() const noexcept { return static_cast<uint8_t>(reg | rex_r); }
  [[nodiscard]] uint8_t rm_gpr() const noexcept { return static_cast<uint8_t>(rm | rex_b); }
  // The register in the opcode's low three bits.
  [[nodiscard]] uint8_t opcode_gpr() const noexcept {
    return static_cast<uint8_t>((opcode & 7) | rex_b);
  }
  // As operand_bits, for the operations on the stack and branches of 64-bit code.
  [[nodiscard]] uint8_t stack_bits() const noexcept {
    return bits64() ? static_cast<uint8_t>(operand16 && !wide ? 16 : 64) : operand_bits;
  }
};

// What follows an opcode.
enum class Layout : uint8_t {
  Invalid,
  Plain,          // nothing
  Imm8,           //
  Imm16,          //
  ImmZ,           // 16 or 32 bits, by the operand size
  ImmV,           // 16, 32 or 64 bits
  Offset,         // an address, by the address size
  Rel8,           //
  RelZ,           // 32 bits; 16 in 32-bit code with 66
  FarPointer,     //
  Enter,          // 16 bits and 8 bits
  ModRm,          //
  ModRmImm8,      //
  ModRmImmZ,      //
  ModRmImm32,     //
  ModRmTwoImm8,   //
  ModRmRegister,  // mod is ignored: always a register
  Group3Byte,     // ModRm, for /0 and /1 also Imm8
  Group3,         // the same with ImmZ
};

// The layout of an opcode whose maps and prefixes are known. Context: anywhere.
[[nodiscard]] Layout layout_of(const Encoding& encoding) noexcept;

// Takes apart what `code` begins with; false if it is too short, too long or unassigned.
[[nodiscard]] bool parse_encoding(const uint8_t* code, size_t size, uint64_t address, CodeMode mode,
                                  Encoding& out) noexcept;

// Fills op, operands and effects if it is one of the named operations. False in `valid` where
// the named operation does not exist in this form (LOCK, LEA of a register).
[[nodiscard]] bool describe_operation(const Encoding& encoding, uint64_t address, Instruction& out,
                                      bool& valid) noexcept;

// The part of it for the effects; op and operands are there.
void describe_operation_effects(const Encoding& encoding, Instruction& out) noexcept;

// Fills the effects of an instruction that is no named operation.
void describe_effects(const Encoding& encoding, Instruction& out) noexcept;
// The part of it for the integer and system instructions of map 0F; false if unknown.
[[nodiscard]] bool describe_0f_effects(const Encoding& encoding, Instruction& out) noexcept;
// The part of it for SSE, AVX, AVX-512, XOP and their neighbours; false if unknown.
[[nodiscard]] bool describe_vector_effects(const Encoding& encoding, Instruction& out) noexcept;

// Whether the index register of the memory operand is a vector (VSIB: gathers and scatters).
[[nodiscard]] bool has_vector_index(const Encoding& encoding) noexcept;

// Adding to an instruction's effects.
class EffectWriter {
 public:
  EffectWriter(const Encoding& encoding, Instruction& out) noexcept
      : encoding_(encoding), out_(out) {}

  void read(uint8_t gpr) const noexcept { out_.reads |= register_bit(gpr); }
  void write(uint8_t gpr) const noexcept { out_.writes |= register_bit(gpr); }
  void update(uint8_t gpr) const noexcept {
    read(gpr);
    write(gpr);
  }
  void read_reg() const noexcept { read(encoding_.reg_gpr()); }
  void write_reg() const noexcept { write(encoding_.reg_gpr()); }
  // The operand named by mod and rm, memory or a general register; `byte` knows ah to bh.
  void read_rm(bool byte = false) const noexcept {
    if (encoding_.has_memory) {
      out_.reads_memory = true;
    } else {
      read(rm_number(byte));
    }
  }
  void write_rm(bool byte = false) const noexcept {
    if (encoding_.has_memory) {
      out_.writes_memory = true;
    } else {
      write(rm_number(byte));
    }
  }
  // The same where its register form is none of the general registers.
  void read_memory() const noexcept { out_.reads_memory |= encoding_.has_memory; }
  void write_memory() const noexcept { out_.writes_memory |= encoding_.has_memory; }
  void push() const noexcept {
    update(Rsp);
    out_.writes_memory = true;
  }
  void pop() const noexcept {
    update(Rsp);
    out_.reads_memory = true;
  }
  void everything() const noexcept {
    out_.reads = out_.writes = encoding_.bits64() ? kAllRegisters : 0xff;
    out_.reads_flags = out_.writes_flags = true;
    out_.reads_memory = out_.writes_memory = true;
  }

 private:
  [[nodiscard]] uint8_t rm_number(bool byte) const noexcept {
    const uint8_t number = encoding_.rm_gpr();
    return byte && !encoding_.rex && number >= 4 && number < 8 ? static_cast<uint8_t>(number - 4)
                                                               : number;
  }

  const Encoding& encoding_;
  Instruction& out_;
};

}  // namespace kebound::x86
