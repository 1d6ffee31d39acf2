// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "include/nt/wdm.h"
#include "trap/x86/registers.h"

namespace kebound::nt {

// The x64 frame that a driver sees, for 64- and 32-bit threads alike. R12..R15 are not part of it
// on NT.
void fill_trap_frame(const x86::Registers& registers, KTRAP_FRAME& frame) noexcept;
// Writes what a driver may have edited back. Registers that the frame does not hold stay as they
// are.
void apply_trap_frame(const KTRAP_FRAME& frame, x86::Registers& registers) noexcept;

}  // namespace kebound::nt
