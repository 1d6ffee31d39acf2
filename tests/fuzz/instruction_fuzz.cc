// SPDX-License-Identifier: Apache-2.0
//
// The input is code. decode_instruction() has to agree with Zydis about it in both modes, at every
// length that the code may be cut to.
#include "tests/fuzz/fuzz_target.h"
#include "trap/x86/instruction_oracle.h"

using kebound::fuzz::fail_if;
using namespace kebound::x86;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> code(data, size);
  for (const CodeMode mode : {CodeMode::Bits32, CodeMode::Bits64}) {
    fail_if(oracle::disagreement(code, 0x7ffffff0, mode));
    Instruction instruction;
    if (!decode_instruction(data, size, 0x7ffffff0, mode, instruction)) continue;
    fail_if(instruction.length >= 1 && instruction.length <= size && instruction.length <= 15
                ? ""
                : "an instruction of impossible length");
    // The same bytes without what follows are the same instruction; with a byte less they are none.
    Instruction again;
    fail_if(decode_instruction(data, instruction.length, 0x7ffffff0, mode, again) &&
                    again.length == instruction.length
                ? ""
                : "an instruction depends on what follows it");
    fail_if(decode_instruction(data, instruction.length - 1u, 0x7ffffff0, mode, again)
                ? "a part of an instruction is one"
                : "");
  }
  return 0;
}
