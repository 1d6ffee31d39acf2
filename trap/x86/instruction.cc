// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/instruction.h"

#include "trap/x86/instruction_encoding.h"

namespace kebound::x86 {

bool decode_instruction(const uint8_t* code, size_t size, uint64_t address, CodeMode mode,
                        Instruction& out) noexcept {
  Encoding encoding;
  if (!parse_encoding(code, size, address, mode, encoding)) return false;
  Instruction instruction;
  instruction.length = encoding.length;
  bool valid = true;
  if (!describe_operation(encoding, address, instruction, valid)) {
    instruction = Instruction{};  // what an attempt has left
    instruction.length = encoding.length;
    describe_effects(encoding, instruction);
  }
  if (!valid) return false;
  if (encoding.has_memory) {
    instruction.reads |= register_bit(encoding.memory.base);
    if (!has_vector_index(encoding)) {
      instruction.memory = encoding.memory;
      instruction.reads |= register_bit(encoding.memory.index);
    }
  }
  out = instruction;
  return true;
}

}  // namespace kebound::x86
