// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

namespace kebound::report {

struct Disassembly {
  std::string text;   // empty if the bytes are no instruction
  size_t length = 0;  // of the instruction, 0 if none
};

// The first instruction of `code`, which lies at `address`.
[[nodiscard]] Disassembly disassemble(const uint8_t* code, size_t size, uint64_t address,
                                      bool is_64bit, bool intel_syntax);

}  // namespace kebound::report
