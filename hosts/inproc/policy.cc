// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/policy.h"

#include "hosts/inproc/publish.h"
#include "hosts/inproc/thread_state.h"

namespace kebound::inproc {
namespace {

// Said in the exception's record; where nobody records, it would be a silent refusal.
kebound_answer refuse(const char* what, const char* why, const kebound_event* event) noexcept {
  ThreadState& state = *current_thread_state();
  state.refused = what;
  state.refused_because = why;
  if (!is_publishing()) report_violation("policy-refused", why, event->ip);
  return KEBOUND_CONTINUE_SEARCH;
}

kebound_answer clamp(const kebound_event* event, kebound_registers* registers, void*) {
  if (event->confidence != KEBOUND_CONFIDENCE_CERTAIN || !event->resumable) {
    const char* const doubt = kebound_doubt_text(event->doubt);
    return refuse("clamp", *doubt != '\0' ? doubt : "the bounds are not known for certain", event);
  }
  if (event->lower > event->upper) {
    return refuse("clamp", "the bounds are reversed, so that no index passes", event);
  }
  const int64_t nearest = event->index < event->lower ? event->lower : event->upper;
  if (kebound_set_index(event, registers, nearest) != KEBOUND_OK) {
    return refuse("clamp", "the index cannot be corrected", event);
  }
  return KEBOUND_HANDLED;
}

kebound_answer skip(const kebound_event* event, kebound_registers* registers, void*) {
  if (event->source != KEBOUND_SOURCE_X86_BOUND || event->instruction_length == 0) {
    return refuse("skip", "there is no BOUND to step over", event);
  }
  registers->ip += event->instruction_length;
  return KEBOUND_HANDLED;
}

kebound_answer terminate(const kebound_event*, kebound_registers*, void*) { return KEBOUND_ERROR; }

}  // namespace

kebound_callback policy_callback(OnBound policy) noexcept {
  switch (policy) {
    case OnBound::Clamp:
      return clamp;
    case OnBound::Skip:
      return skip;
    case OnBound::Terminate:
      return terminate;
    case OnBound::Propagate:
      break;
  }
  return nullptr;
}

}  // namespace kebound::inproc
