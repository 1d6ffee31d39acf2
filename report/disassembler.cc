// SPDX-License-Identifier: Apache-2.0
#include "report/disassembler.h"

#include <Zydis/Zydis.h>

namespace kebound::report {

Disassembly disassemble(const uint8_t* code, size_t size, uint64_t address, bool is_64bit,
                        bool intel_syntax) {
  const auto mode = is_64bit ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32;
  ZydisDisassembledInstruction instruction;
  const ZyanStatus status = intel_syntax
                                ? ZydisDisassembleIntel(mode, address, code, size, &instruction)
                                : ZydisDisassembleATT(mode, address, code, size, &instruction);
  if (!ZYAN_SUCCESS(status)) return {};
  return {instruction.text, instruction.info.length};
}

}  // namespace kebound::report
