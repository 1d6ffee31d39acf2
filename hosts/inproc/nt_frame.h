// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/status.h"
#include "hosts/inproc/thread_state.h"

namespace kebound::inproc {

// Calls a routine of NT's type with the registers in the thread's trap frame, and takes what it
// made of them. Context: in a dispatch of that thread.
RawAnswer call_nt_routine(ThreadState& state, void* routine, kebound_registers& registers) noexcept;

}  // namespace kebound::inproc
