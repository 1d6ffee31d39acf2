// SPDX-License-Identifier: Apache-2.0
//
// From a call that reports a failed check to the bound event. Freestanding; the program's memory is
// hostile.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/bound_event.h"
#include "trap/calls/call_frame.h"
#include "trap/calls/call_source.h"
#include "trap/x86/resume.h"

namespace kebound::calls {

// What the check says of itself beside the event: "file.c:21", an assertion's text, "memcpy".
inline constexpr size_t kDetailSize = 128;

struct CallEvent {
  BoundEvent event;
  x86::Registers at_call;  // rip: event.ip, the call; as if it had not been executed
  x86::Recovery recovery;
  char detail[kDetailSize];
};

// Decides whether the call `frame` is at the first instruction of says that a bound was exceeded:
// false for what is something else (a null pointer, a count that fits, an assertion about another
// matter); `out` means nothing then. event.ip is the call. Context: anywhere, as far as
// frame.memory allows.
[[nodiscard]] bool read_call_event(const CallSource& source, const CallFrame& frame,
                                   CallEvent& out) noexcept;

// Whether the check was one of an index, which it does not say: x86::recover_called_check() may
// know more.
[[nodiscard]] bool compares_index(const CallEvent& call) noexcept;

// Whether a fortified function that is called so would refuse. Nothing but that: it is asked about
// each call. Shape::Printed is not decided here: false.
[[nodiscard]] bool exceeds_object(const CallSource& source, const CallFrame& frame) noexcept;

}  // namespace kebound::calls
