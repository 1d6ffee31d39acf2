// SPDX-License-Identifier: Apache-2.0
//
// The callback that is built into the preload library.
#pragma once

#include "include/kebound/kebound.h"

namespace kebound::inproc {

enum class OnBound {
  Propagate,
  Clamp,  // the index becomes the nearest bound, and the check runs again
  Skip,   // the thread goes on behind the check; BOUND only
  Terminate,
};

// Null for Propagate: nobody need be asked. Context of the callbacks: as kebound_callback.
[[nodiscard]] kebound_callback policy_callback(OnBound policy) noexcept;

}  // namespace kebound::inproc
