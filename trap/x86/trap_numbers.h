// SPDX-License-Identifier: Apache-2.0
//
// Whether the ud1 instructions of an image carry the kind of their check, or a number of their own:
// clang's -mllvm -ubsan-unique-traps makes each trap different from the others in its function.
#pragma once

#include "trap/memory_reader.h"
#include "trap/x86/code_range.h"
#include "trap/x86/instruction.h"

namespace kebound::x86 {

// True if `text` has several ud1 traps with numbers that are no kind of clang's. A program of few
// and small functions cannot be told apart this way. Looks at 64 MiB at the most, without decoding:
// code and data between functions look alike, so one odd number proves nothing.
// Context: anywhere; tens of milliseconds for a large image.
[[nodiscard]] bool numbers_its_traps(CodeRange text, CodeMode mode, MemoryReader memory) noexcept;

}  // namespace kebound::x86
