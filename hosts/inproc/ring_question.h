// SPDX-License-Identifier: Apache-2.0
//
// What a signal handler cannot find out, and the reader of the event ring can.
#pragma once

#include <stdint.h>

#include "include/kebound/abi.h"

namespace kebound::inproc {

// Asks what debug information says of `subject` (KEBOUND_QUESTION_ABOUT_*) at `address`; waits for
// the answer, up to some seconds once. False: nobody answers, or not now. Context: signal handlers.
[[nodiscard]] bool ask_reader(kebound_ring_header& ring, uint32_t subject, uint64_t address,
                              char (&answer)[KEBOUND_QUESTION_ANSWER]) noexcept;
[[nodiscard]] inline bool ask_about_trap(kebound_ring_header& ring, uint64_t ip,
                                         char (&answer)[KEBOUND_QUESTION_ANSWER]) noexcept {
  return ask_reader(ring, KEBOUND_QUESTION_ABOUT_TRAP, ip, answer);
}

}  // namespace kebound::inproc
