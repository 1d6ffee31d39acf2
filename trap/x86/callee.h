// SPDX-License-Identifier: Apache-2.0
//
// What a call of a small function leaves alone. gcc knows that of the functions of the same file
// (-fipa-ra) and keeps numbers in registers that the ABI lets a function overwrite. Freestanding.
#pragma once

#include <stdint.h>

#include "trap/memory_reader.h"
#include "trap/x86/instruction.h"

namespace kebound::x86 {

// What functions may overwrite by the System V ABIs, rsp included: it moves.
inline constexpr uint32_t kCallClobbers = 1u << Rax | 1u << Rcx | 1u << Rdx | 1u << Rsi |
                                          1u << Rdi | 1u << R8 | 1u << R9 | 1u << R10 | 1u << R11 |
                                          1u << Rsp;

// The general registers that may be others behind a call of the function at `target`: those of
// kCallClobbers, or less where the function's code is short, calls nothing and jumps nowhere else.
// Context: anywhere, as far as `memory` allows.
[[nodiscard]] uint32_t registers_of_call(uint64_t target, CodeMode mode,
                                         const MemoryReader& memory) noexcept;

}  // namespace kebound::x86
