// SPDX-License-Identifier: Apache-2.0
//
// UBSan's handlers. What their first argument points to is the same in gcc's and in LLVM's runtime
// library, and has been since the handlers got their present names.
#pragma once

#include "trap/calls/call_event.h"

namespace kebound::calls {

// Each fills in what the arguments say, and is false for what is no matter of bounds.
[[nodiscard]] bool read_out_of_bounds(const CallFrame& frame, CallEvent& out) noexcept;
[[nodiscard]] bool read_pointer_overflow(const CallFrame& frame, CallEvent& out) noexcept;
[[nodiscard]] bool read_type_mismatch(const CallFrame& frame, CallEvent& out) noexcept;

}  // namespace kebound::calls
