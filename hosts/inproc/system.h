// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/registry.h"

namespace kebound::inproc {

// The real system; where a handle has to fit NT's PVOID of 32 bits, with fewer generations.
struct System : HostSystem {
  static constexpr unsigned kGenerationBits = sizeof(void*) == 4 ? 26 : 42;
};

using Registry = BasicRegistry<System>;
using Context = BasicDispatchContext<System>;

}  // namespace kebound::inproc
