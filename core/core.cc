// SPDX-License-Identifier: Apache-2.0
//
// The registry as hosts link it: one instantiation over the real system.
#include "core/livelock.h"
#include "core/registry.h"

namespace kebound {

template class BasicRegistry<HostSystem>;

// Rule 2 of the house: valid when zeroed, no static constructor.
static_assert(sizeof(DispatchContext) % kCacheLine == 0);

}  // namespace kebound
