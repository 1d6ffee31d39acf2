// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/policy.h"

#include "hosts/inproc/publish.h"

namespace kebound::inproc {
namespace {

kebound_answer clamp(const kebound_event* event, kebound_registers* registers, void*) {
  // A compiler's trap tells no index, and its code may not go on behind it.
  if (event->confidence == KEBOUND_CONFIDENCE_UNKNOWN) return KEBOUND_CONTINUE_SEARCH;
  if (event->lower > event->upper) {
    report_violation("clamp-refused", "the bounds are reversed: no index is inside", event->ip);
    return KEBOUND_CONTINUE_SEARCH;
  }
  const uint64_t nearest =
      static_cast<uint64_t>(event->index < event->lower ? event->lower : event->upper);
  uint64_t& index = registers->gpr[event->index_register & 15];
  const uint64_t mask = event->index_width == 16 ? 0xffff : 0xffffffff;
  index = (index & ~mask) | (nearest & mask);
  return KEBOUND_HANDLED;
}

kebound_answer skip(const kebound_event* event, kebound_registers* registers, void*) {
  if (event->source != KEBOUND_SOURCE_X86_BOUND || event->instruction_length == 0) {
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
