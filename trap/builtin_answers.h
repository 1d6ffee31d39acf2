// SPDX-License-Identifier: Apache-2.0
//
// What the built-in callbacks decide, for every host: whether an exception can be clamped or
// stepped over, and why not. Freestanding. `Event` is BoundEvent or libkebound's kebound_event: the
// same names, the same numbers.
#pragma once

#include <stdint.h>

#include "trap/bound_event.h"

namespace kebound {

// An index for the event, or why there is none.
struct ClampAnswer {
  const char* refusal = nullptr;  // null: `index` is the nearest one that passes
  int64_t index = 0;
};

template <class Event>
[[nodiscard]] ClampAnswer answer_of_clamp(const Event& event) noexcept {
  if (static_cast<Confidence>(event.confidence) != Confidence::Certain || !event.resumable) {
    const auto doubt = static_cast<Doubt>(event.doubt);
    return {doubt != Doubt::None ? doubt_text(doubt) : "the bounds are not known for certain"};
  }
  if (event.lower > event.upper) return {"the bounds are reversed, so that no index passes"};
  return {nullptr, event.index < event.lower ? event.lower : event.upper};
}

// Null: the instruction that failed can be stepped over.
template <class Event>
[[nodiscard]] const char* refusal_of_skip(const Event& event) noexcept {
  const bool is_bound = static_cast<BoundSource>(event.source) == BoundSource::X86Bound;
  return is_bound && event.instruction_length != 0 ? nullptr : "there is no BOUND to step over";
}

}  // namespace kebound
