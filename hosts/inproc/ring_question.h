// SPDX-License-Identifier: Apache-2.0
//
// What a signal handler cannot find out, and the reader of the event ring can.
#pragma once

#include <stdint.h>

#include "include/kebound/abi.h"

namespace kebound::inproc {

// Asks what debug information says of the trap at `ip`; waits for the answer, up to some seconds
// once. False: nobody answers, or not now. Context: signal handlers.
[[nodiscard]] bool ask_about_trap(kebound_ring_header& ring, uint64_t ip,
                                  char (&answer)[KEBOUND_QUESTION_ANSWER]) noexcept;

}  // namespace kebound::inproc
