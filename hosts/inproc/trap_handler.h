// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trap/calls/call_event.h"
#include "trap/x86/registers.h"

namespace kebound::inproc {

// Asks the callbacks about a check that has called a function instead of trapping. True: handled,
// the thread goes on with `resumed`. False: in the function. Does not return from a guarded region
// that nobody handled it in, nor where a callback ends the process. Context: the thread that
// called, not in a signal handler of ours.
[[nodiscard]] bool dispatch_call(const calls::CallEvent& call, x86::Registers& resumed) noexcept;

}  // namespace kebound::inproc
