// SPDX-License-Identifier: Apache-2.0
//
// The callbacks that may not sleep: they have a registry of their own, and are asked in the trap, before
// all others.
#pragma once

#include "core/registry.h"
#include "hosts/linux_module/kernel.h"
#include "hosts/linux_module/publish.h"
#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::linux_module {

// Of Native entries, as contexts (native.h).
extern constinit Registry g_atomic;
[[nodiscard]] inline bool atomic_callbacks_exist() noexcept { return !g_atomic.empty(); }

// Asks them about `registers`, which are those of `pt_regs`. kKbNotOurs: it is none of theirs, and the registers are
// as they were. kKbResume: they are as a callback left them, of which what it may edit counts. Context: trap.
[[nodiscard]] kb_trap_result ask_in_trap(ShownEvent& shown, unsigned processor,
                                         const void* pt_regs, x86::Registers& registers) noexcept;

// Whether a task may go on with `wanted`; says why not. Context: trap, task.
[[nodiscard]] bool acceptable(const Registration& who, const BoundEvent& event, x86::Registers& wanted,
                              const x86::Registers& before);

// One context for each processor. False: no memory.
[[nodiscard]] bool start_in_trap() noexcept;
void stop_in_trap() noexcept;

}  // namespace kebound::linux_module
