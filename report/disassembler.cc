// SPDX-License-Identifier: Apache-2.0
#include "report/disassembler.h"

#include <Zydis/Zydis.h>
#include <stdio.h>

namespace kebound::report {
namespace {

// Zydis writes BOUND in AT&T syntax as "boundq MEM, REG"; the assemblers of that syntax take the
// operands in Intel's order and know no suffix.
bool format_bound(const ZydisFormatter& formatter, const ZydisDecodedInstruction& instruction,
                  const ZydisDecodedOperand* operands, uint64_t address, char* text, size_t size) {
  char parts[2][96];
  for (uint8_t i = 0; i < 2; ++i) {
    if (!ZYAN_SUCCESS(ZydisFormatterFormatOperand(&formatter, &instruction, &operands[i], parts[i],
                                                  sizeof parts[i], address, ZYAN_NULL))) {
      return false;
    }
  }
  const int needed = snprintf(text, size, "bound %s, %s", parts[0], parts[1]);
  return needed > 0 && static_cast<size_t>(needed) < size;
}

}  // namespace

Disassembly disassemble(const uint8_t* code, size_t size, uint64_t address, bool is_64bit,
                        bool intel_syntax) {
  ZydisDecoder decoder;
  ZydisFormatter formatter;
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  const auto mode = is_64bit ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32;
  const auto width = is_64bit ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32;
  const auto style = intel_syntax ? ZYDIS_FORMATTER_STYLE_INTEL : ZYDIS_FORMATTER_STYLE_ATT;
  if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, mode, width)) ||
      !ZYAN_SUCCESS(ZydisFormatterInit(&formatter, style)) ||
      !ZYAN_SUCCESS(ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, 0)) ||
      !ZYAN_SUCCESS(ZydisFormatterSetProperty(
          &formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED)) ||
      !ZYAN_SUCCESS(ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_DISP_PADDING,
                                              ZYDIS_PADDING_DISABLED)) ||
      !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, size, &instruction, operands))) {
    return {};
  }
  char text[256];
  const bool is_att_bound = !intel_syntax && instruction.mnemonic == ZYDIS_MNEMONIC_BOUND;
  const bool formatted =
      is_att_bound ? format_bound(formatter, instruction, operands, address, text, sizeof text)
                   : ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
                         &formatter, &instruction, operands, instruction.operand_count_visible,
                         text, sizeof text, address, ZYAN_NULL));
  return {formatted ? text : "", instruction.length};
}

}  // namespace kebound::report
