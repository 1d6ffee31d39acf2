// SPDX-License-Identifier: Apache-2.0
//
// For tests and fuzzing: the same questions as bound.h, answered by way of Zydis. Nothing is shared
// with the code under test but its types.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "trap/x86/bound.h"

namespace kebound::x86::oracle {

// What Zydis sees at the start of `code`, if it is a BOUND.
std::optional<BoundInstruction> decode(std::span<const uint8_t> code, CodeSize code_size);

// The offset within the segment, by Zydis' own calculation. `code` has to begin with a BOUND.
std::optional<uint32_t> offset(std::span<const uint8_t> code, CodeSize code_size,
                               const Registers& registers);

// The verdict recomputed by rules written down a second time.
BoundVerdict verdict(const Registers& registers, MemoryReader memory, BoundEvent& event);

// Empty when decode_bound() agrees with Zydis about these bytes; otherwise the disagreement.
std::string disagreement(std::span<const uint8_t> code, CodeSize code_size);

// Empty when evaluate_bound() and effective_address() agree with verdict() and offset().
std::string disagreement(const Registers& registers, MemoryReader memory);

}  // namespace kebound::x86::oracle
