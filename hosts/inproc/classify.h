// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "include/kebound/abi.h"
#include "trap/bound_event.h"
#include "trap/x86/registers.h"
#include "trap/x86/resume.h"

namespace kebound::inproc {

// A bound exception of this thread.
struct Trap {
  x86::Registers registers;  // as they are: rip is where the exception was raised
  BoundEvent event;
  x86::Recovery recovery;
  char detail[KEBOUND_RING_DETAIL];  // what the check says of itself
};

// Whether the signal is a bound exception of this thread; then `trap` is filled.
// What the instruction does not tell (any more: another thread may have changed it or the bounds)
// is Unknown. Context: in the signal's handler.
[[nodiscard]] bool is_bound_exception(int signal, const siginfo_t& info, const ucontext_t& context,
                                      Trap& trap) noexcept;

// A fault of kebound_copy(): lets it go on. Context: in the signal's handler.
[[nodiscard]] bool resume_copy(ucontext_t& context) noexcept;

}  // namespace kebound::inproc
