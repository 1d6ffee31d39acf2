// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/policy.h"

#include "hosts/inproc/publish.h"

namespace kebound::inproc {
namespace {

void report_refusal(const char* rule, const kebound_event* event) noexcept {
  const char* const why = kebound_doubt_text(event->doubt);
  report_violation(rule, *why != '\0' ? why : "the index is not known", event->ip);
}

kebound_answer clamp(const kebound_event* event, kebound_registers* registers, void*) {
  if (event->confidence == KEBOUND_CONFIDENCE_UNKNOWN || !event->resumable) {
    report_refusal("clamp-refused", event);
    return KEBOUND_CONTINUE_SEARCH;
  }
  if (event->lower > event->upper) {
    report_violation("clamp-refused", "the bounds are reversed: no index is inside", event->ip);
    return KEBOUND_CONTINUE_SEARCH;
  }
  const int64_t nearest = event->index < event->lower ? event->lower : event->upper;
  return kebound_set_index(event, registers, nearest) == KEBOUND_OK ? KEBOUND_HANDLED
                                                                    : KEBOUND_CONTINUE_SEARCH;
}

kebound_answer skip(const kebound_event* event, kebound_registers* registers, void*) {
  if (event->source != KEBOUND_SOURCE_X86_BOUND || event->instruction_length == 0) {
    report_violation("skip-refused", "there is no BOUND to step over", event->ip);
    return KEBOUND_CONTINUE_SEARCH;
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
