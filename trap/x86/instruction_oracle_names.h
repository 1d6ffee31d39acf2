// SPDX-License-Identifier: Apache-2.0
//
// Inside the oracle: from Zydis' mnemonics to our operations.
#pragma once

#include <Zydis/Zydis.h>

#include <array>
#include <span>

#include "trap/x86/instruction.h"

namespace kebound::x86::oracle {

struct Decoded {
  ZydisDecodedInstruction instruction;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;

  [[nodiscard]] std::span<const ZydisDecodedOperand> visible() const {
    return std::span(operands).first(instruction.operand_count_visible);
  }
  [[nodiscard]] std::span<const ZydisDecodedOperand> all() const {
    return std::span(operands).first(instruction.operand_count);
  }
};

struct Name {
  Op op = Op::Other;
  uint8_t condition = 0;
};

[[nodiscard]] bool is_general(ZydisRegister reg);

// The operation by Zydis' mnemonic and the operands it goes with.
[[nodiscard]] Name name_of(const Decoded& z);

}  // namespace kebound::x86::oracle
