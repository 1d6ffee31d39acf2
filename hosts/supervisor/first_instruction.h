// SPDX-License-Identifier: Apache-2.0
//
// The instruction that a breakpoint stands on is executed by us: no other thread ever runs past the
// place while the breakpoint is out, and no single step is needed.
#pragma once

#include "hosts/supervisor/target_memory.h"
#include "trap/x86/instruction.h"
#include "trap/x86/registers.h"

namespace kebound::supervisor {

// Whether execute() knows the instruction. What functions begin with is known: moves, arithmetic on
// registers, push, call, jump, return.
[[nodiscard]] bool can_execute(const x86::Instruction& instruction) noexcept;

// Does to `registers` and memory what the processor would do with the instruction at registers.rip.
// False, with `registers` untouched, where memory does not allow it: the thread would have faulted.
[[nodiscard]] bool execute(const x86::Instruction& instruction, x86::CodeMode mode,
                           const TargetMemory& memory, x86::Registers& registers) noexcept;

}  // namespace kebound::supervisor
