// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/instruction_encoding.h"

namespace kebound::x86 {
namespace {

// The opcode maps of the manual's appendix A, a row for each high digit of the opcode:
//   .  nothing            m  ModRM              j  rel8      x  unassigned
//   b  imm8               B  ModRM, imm8        J  rel16/32  n  unassigned in 64-bit code
//   w  imm16              Z  ModRM, imm16/32    o  offset    M  n with ModRM
//   z  imm16/32           g  group 3, bytes     p  n, far    N  n with ModRM and imm8
//   v  imm16/32/64        G  group 3            e  ENTER     q  n with imm8
//   r  ModRM, mod ignored
// Prefixes, escapes and what VEX, EVEX and XOP begin with are looked at before the map is.
constexpr char kOneByteMap[] =
    "mmmmbznnmmmmbznx"
    "mmmmbznnmmmmbznn"
    "mmmmbzxnmmmmbzxn"
    "mmmmbzxnmmmmbzxn"
    "................"
    "................"
    "nnMmxxxxzZbB...."
    "jjjjjjjjjjjjjjjj"
    "BZNBmmmmmmmmmmmm"
    "..........p....."
    "oooo....bz......"
    "bbbbbbbbvvvvvvvv"
    "BBw.MMBZe.w..bn."
    "mmmmqqn.mmmmmmmm"
    "jjjjbbbbJJpj...."
    "x.xx..gG......mm";

constexpr char kMap0f[] =
    "mmmmx.....x.xm.B"
    "mmmmmmmmmmmmmmmm"
    "rrrrxxxxmmmmmmmm"
    "......x.xxxxxxxx"
    "mmmmmmmmmmmmmmmm"
    "mmmmmmmmmmmmmmmm"
    "mmmmmmmmmmmmmmmm"
    "BBBBmmm.mmxxmmmm"
    "JJJJJJJJJJJJJJJJ"
    "mmmmmmmmmmmmmmmm"
    "...mBmmm...mBmmm"
    "mmmmmmmmmmBmmmmm"
    "mmBmBBBm........"
    "mmmmmmmmmmmmmmmm"
    "mmmmmmmmmmmmmmmm"
    "mmmmmmmmmmmmmmmm";

static_assert(sizeof kOneByteMap == 257 && sizeof kMap0f == 257);

Layout layout_of_cell(char cell, bool bits64) noexcept {
  switch (cell) {
    case '.':
      return Layout::Plain;
    case 'b':
      return Layout::Imm8;
    case 'w':
      return Layout::Imm16;
    case 'z':
      return Layout::ImmZ;
    case 'v':
      return Layout::ImmV;
    case 'o':
      return Layout::Offset;
    case 'j':
      return Layout::Rel8;
    case 'J':
      return Layout::RelZ;
    case 'e':
      return Layout::Enter;
    case 'm':
      return Layout::ModRm;
    case 'B':
      return Layout::ModRmImm8;
    case 'Z':
      return Layout::ModRmImmZ;
    case 'r':
      return Layout::ModRmRegister;
    case 'g':
      return Layout::Group3Byte;
    case 'G':
      return Layout::Group3;
    case 'n':
      return bits64 ? Layout::Invalid : Layout::Plain;
    case 'q':
      return bits64 ? Layout::Invalid : Layout::Imm8;
    case 'p':
      return bits64 ? Layout::Invalid : Layout::FarPointer;
    case 'M':
      return bits64 ? Layout::Invalid : Layout::ModRm;
    case 'N':
      return bits64 ? Layout::Invalid : Layout::ModRmImm8;
    default:
      return Layout::Invalid;
  }
}

Layout layout_in_vector_map0f(const Encoding& encoding) noexcept {
  switch (encoding.opcode) {
    case 0x77:  // vzeroupper, vzeroall
      return encoding.form == EncodingForm::Vex ? Layout::Plain : Layout::Invalid;
    case 0x70:
    case 0x71:
    case 0x72:
    case 0x73:
    case 0xc2:
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return Layout::ModRmImm8;
    default:
      return Layout::ModRm;
  }
}

}  // namespace

Layout layout_of(const Encoding& encoding) noexcept {
  const bool legacy = encoding.form == EncodingForm::Legacy;
  switch (encoding.map) {
    case OpcodeMap::OneByte:
      return layout_of_cell(kOneByteMap[encoding.opcode], encoding.bits64());
    case OpcodeMap::Map0f:
      if (!legacy) return layout_in_vector_map0f(encoding);
      // EXTRQ and INSERTQ, where VMREAD has no prefix.
      if (encoding.opcode == 0x78 && (encoding.mandatory == MandatoryPrefix::P66 ||
                                      encoding.mandatory == MandatoryPrefix::PF2)) {
        return Layout::ModRmTwoImm8;
      }
      return layout_of_cell(kMap0f[encoding.opcode], encoding.bits64());
    case OpcodeMap::Map0f38:
    case OpcodeMap::Xop9:
      return Layout::ModRm;
    case OpcodeMap::Map0f3a:
    case OpcodeMap::Xop8:
      return Layout::ModRmImm8;
    case OpcodeMap::Map5:
    case OpcodeMap::Map6:
      return encoding.form == EncodingForm::Evex ? Layout::ModRm : Layout::Invalid;
    case OpcodeMap::XopA:
      return Layout::ModRmImm32;
  }
  return Layout::Invalid;
}

}  // namespace kebound::x86
