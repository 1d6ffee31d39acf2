// SPDX-License-Identifier: Apache-2.0
//
// Failed assertions of the C++ libraries. They tell in words what was wrong; whether it was a bound
// is told by the words. Index and limits are not among them.
#pragma once

#include "trap/calls/call_event.h"

namespace kebound::calls {

// Each puts the words into `out.detail`, and is false where they are about something else.
[[nodiscard]] bool read_glibcxx_assertion(const CallFrame& frame, CallEvent& out) noexcept;
[[nodiscard]] bool read_verbose_abort(const CallFrame& frame, CallEvent& out) noexcept;

// What debug information says of a trap, "libc++: PATH:LINE: assertion CONDITION failed: WORDS" for
// one of hardened libc++: shortened into `detail`, or false, with an empty `detail`, where it is
// about something else than bounds. Context: anywhere.
[[nodiscard]] bool read_hardening_message(const char* message,
                                          char (&detail)[kDetailSize]) noexcept;

// The decisions by themselves: of a condition as libstdc++ has it (`__n < this->size()`), of a
// message as libc++ has it (`vector[] index out of bounds`). Context: anywhere.
[[nodiscard]] bool is_bounds_condition(const char* condition) noexcept;
[[nodiscard]] bool is_bounds_message(const char* message) noexcept;

}  // namespace kebound::calls
