// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/policy.h"

#include "hosts/inproc/publish.h"
#include "hosts/inproc/thread_state.h"
#include "trap/builtin_answers.h"

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
  const ClampAnswer answer = answer_of_clamp(*event);
  if (answer.refusal != nullptr) return refuse("clamp", answer.refusal, event);
  if (kebound_set_index(event, registers, answer.index) != KEBOUND_OK) {
    return refuse("clamp", "the index cannot be corrected", event);
  }
  return KEBOUND_HANDLED;
}

kebound_answer skip(const kebound_event* event, kebound_registers* registers, void*) {
  if (const char* const why = refusal_of_skip(*event)) return refuse("skip", why, event);
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
