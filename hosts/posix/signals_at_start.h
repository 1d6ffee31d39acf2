// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

namespace kebound::posix {

// What a program inherits of signals through exec: bit N-1 for signal N.
struct SignalState {
  uint64_t ignored = 0;
  uint64_t blocked = 0;
};

// As this process found them, before main() and before any thread. The C library's own signals (32,
// 33) included: it takes the second for itself when the first thread is made.
[[nodiscard]] const SignalState& signals_at_start() noexcept;

// Makes them those of the calling process, which is about to exec: what is not ignored gets its
// default action. Context: async-signal-safe, one thread.
void set_signals(const SignalState& state) noexcept;

}  // namespace kebound::posix
