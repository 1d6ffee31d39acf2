// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hosts/inproc/classify.h"
#include "trap/calls/call_event.h"
#include "trap/x86/code_range.h"
#include "trap/x86/compiler_trap.h"

namespace kebound::inproc {

// What the compiler's trap at found.registers.rip, which `trap` is, is about: fills the event and
// the way back to the check. False if it is no failed bounds check. The first time at a trap the
// code around it is analysed. Context: in a signal's handler.
[[nodiscard]] bool recover_check_trap(const x86::CompilerTrap& trap, Trap& found) noexcept;

// The code goes away, and other code may come where it was. Context: not in a signal handler.
// Index and limits of a library's check, where the call that reports it does not say them.
void recover_called_check(calls::CallEvent& call) noexcept;

void forget_check_traps(x86::CodeRange range) noexcept;

}  // namespace kebound::inproc
