// SPDX-License-Identifier: Apache-2.0
#include "scan/operand_text.h"

#include <fmt/format.h>

#include <array>

namespace kebound::scan {
namespace {

using x86::kNoRegister;
using x86::Operand;
using x86::OperandKind;
using x86::Segment;

std::string register_text(uint8_t reg, unsigned bits, bool high_byte) {
  static constexpr std::array kNames = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
  if (reg >= 16) return "?";
  if (reg >= 8) {
    return fmt::format("r{}{}", reg, bits == 8 ? "b" : bits == 16 ? "w" : bits == 32 ? "d" : "");
  }
  const std::string name = kNames[reg];
  switch (bits) {
    case 8:
      if (high_byte) return std::string(1, name[0]) + "h";
      return reg < 4 ? std::string(1, name[0]) + "l" : name + "l";
    case 16:
      return name;
    case 32:
      return "e" + name;
    default:
      return "r" + name;
  }
}

std::string signed_hex(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  return value < 0 ? fmt::format("-{:#x}", ~bits + 1) : fmt::format("+{:#x}", bits);
}

std::string memory_text(const Operand& memory) {
  std::string text = "[";
  if (memory.segment == Segment::Fs) text = "fs:[";
  if (memory.segment == Segment::Gs) text = "gs:[";
  const bool based = memory.base != kNoRegister;
  const bool indexed = memory.index != kNoRegister;
  if (based) text += register_text(memory.base, memory.address_bits, false);
  if (indexed) {
    if (based) text += '+';
    text += register_text(memory.index, memory.address_bits, false);
    if (memory.scale > 1) text += fmt::format("*{}", memory.scale);
  }
  if (!based && !indexed) {
    text += fmt::format("{:#x}", static_cast<uint64_t>(memory.displacement));
  } else if (memory.displacement != 0) {
    text += signed_hex(memory.displacement);
  }
  return text + "]";
}

}  // namespace

std::string operand_text(const Operand& operand) {
  switch (operand.kind) {
    case OperandKind::Register:
      return register_text(operand.reg, operand.bits, operand.high_byte);
    case OperandKind::Memory:
      return memory_text(operand);
    case OperandKind::Immediate:
      return fmt::format("{}", operand.immediate);
    case OperandKind::None:
      break;
  }
  return {};
}

}  // namespace kebound::scan
