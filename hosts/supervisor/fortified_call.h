// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "events/record.h"
#include "hosts/supervisor/watched_file.h"
#include "trap/calls/call_frame.h"

namespace kebound::supervisor {

// A thread that has come to __chk_fail, and where that is.
struct Refusal {
  bool is_64bit = false;
  MemoryReader memory;
  x86::Registers registers;
  const events::ModuleMap& modules;
  const events::Mapping& library;  // that has __chk_fail
  const WatchedFile& library_symbols;
};

// The fortified function that has refused, and what it was called with. Null where it is none that
// is known, or its code is not understood. Context: may block on files.
[[nodiscard]] const calls::CallSource* find_fortified_call(const Refusal& refusal,
                                                           calls::CallFrame& frame);

// The mapping that has the address, null for none.
[[nodiscard]] const events::Mapping* mapping_at(const events::ModuleMap& modules, uint64_t address);

}  // namespace kebound::supervisor
