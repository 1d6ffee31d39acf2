// SPDX-License-Identifier: Apache-2.0
//
// The C library's functions that know how large the object is that they write to. The index of the
// event is the last byte that would be written, its upper bound the last one of the object.
#pragma once

#include "trap/calls/call_event.h"

namespace kebound::calls {

// False where the object has room. Where an argument is not known (frame.known, unreadable strings)
// it is an event without an index: the caller has other evidence that it was refused.
[[nodiscard]] bool read_fortified(const CallSource& source, const CallFrame& frame,
                                  CallEvent& out) noexcept;

}  // namespace kebound::calls
