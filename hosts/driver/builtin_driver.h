// SPDX-License-Identifier: Apache-2.0
//
// The driver that is built in: applies --on-bound through an ordinary registration.
#pragma once

#include <stdint.h>

namespace kebound::driver {

enum class OnBound : uint8_t {
  Propagate,  // ContinueSearch
  Clamp,      // index register = nearest bound, Handled (the check runs again); refuses reversed
              // bounds, with a violation
  Skip,       // ip += instruction length, Handled; BOUND only
  Terminate,  // Error
};

// Registers the built-in callback through KeRegisterBoundCallback. False if the registry is full.
// Call it before drivers are loaded, so that it is asked last. `with_rules`: the rule in the
// thread's Advice decides (policy.h), and `policy` where there is none. Context: an NT thread,
// PASSIVE_LEVEL.
[[nodiscard]] bool install_builtin_driver(OnBound policy, bool with_rules = false);
void remove_builtin_driver();

}  // namespace kebound::driver
