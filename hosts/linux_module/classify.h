// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::linux_module {

inline constexpr unsigned kVectorBound = 5;
inline constexpr unsigned kVectorInvalidOpcode = 6;

inline constexpr uint16_t kUserCode64 = 0x33;
inline constexpr uint16_t kUserCode32 = 0x23;

enum class TrapSort : uint8_t {
  Other,          // none of ours
  BoundsFailure,  // it is one
  CompilersTrap,  // the code around it says whether it is one: recover_exception()
};

// Whether the trap is a bounds failure, and what is known about it. The processor says by the vector
// that it is a bound exception; for invalid opcodes the instruction decides. `registers` come without
// segment bases, and get them where the check has to do with one. Context: trap.
[[nodiscard]] TrapSort classify(unsigned vector, x86::Registers& registers,
                                BoundEvent& event) noexcept;

// What is remembered of instructions. False: no memory.
[[nodiscard]] bool start_classifying() noexcept;
void stop_classifying() noexcept;

// Context: the running task's registers, in the trap.
void read_bases(x86::Registers& registers) noexcept;

}  // namespace kebound::linux_module
