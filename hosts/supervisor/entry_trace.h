// SPDX-License-Identifier: Apache-2.0
//
// Where a function's entry values are when it gives up: a fortified function calls __chk_fail from
// somewhere inside, and its arguments are what the event needs.
#pragma once

#include <stdint.h>

#include "trap/calls/call_frame.h"
#include "trap/memory_reader.h"
#include "trap/x86/instruction.h"
#include "trap/x86/registers.h"

namespace kebound::supervisor {

struct EntryQuestion {
  x86::CodeMode mode = x86::CodeMode::Bits64;
  MemoryReader memory;
  uint64_t begin = 0;  // the function
  uint64_t end = 0;
  uint64_t target = 0;       // where it has gone
  uint64_t site = 0;         // by the call at this address; 0: by a jump
  x86::Registers at_target;  // at target's first instruction
};

// Follows the function's code from its beginning to all places that it may have come from, keeping
// track of where each register's first value is. True: `frame` is what the function was entered
// with, as far as frame.known says. False where the code is not understood. Context: anywhere.
[[nodiscard]] bool trace_entry(const EntryQuestion& question, calls::CallFrame& frame);

}  // namespace kebound::supervisor
