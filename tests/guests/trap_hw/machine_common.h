// SPDX-License-Identifier: Apache-2.0
//
// What both machines share: the signal handling. A trial is two signals: an int3 of ours, whose
// frame is replaced by the trial's registers, and whatever the trial ends in, whose frame is
// replaced by ours.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "tests/guests/trap_hw/trial.h"

namespace kebound::trap_hw {

// Supplied by the machine.
void load_registers(const x86::Registers& start, mcontext_t& frame) noexcept;
void store_registers(const mcontext_t& frame, x86::Registers& out) noexcept;
uint32_t vector_of(const mcontext_t& frame) noexcept;

// The machine's handler restores the segments the C library needs, and then calls this.
void on_signal(int signal, ucontext_t& context) noexcept;

bool install_handler(void (*handler)(int, siginfo_t*, void*)) noexcept;

}  // namespace kebound::trap_hw
