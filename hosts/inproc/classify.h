// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::inproc {

// Whether the signal is a bound exception of this thread; then `registers` and `event` are filled.
// What the instruction does not tell (any more: another thread may have changed it or the bounds)
// is Unknown. Context: in the signal's handler.
[[nodiscard]] bool is_bound_exception(int signal, const siginfo_t& info, const ucontext_t& context,
                                      x86::Registers& registers, BoundEvent& event) noexcept;

// A fault of kebound_copy(): lets it go on. Context: in the signal's handler.
[[nodiscard]] bool resume_copy(ucontext_t& context) noexcept;

}  // namespace kebound::inproc
