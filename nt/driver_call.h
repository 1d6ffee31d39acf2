// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/status.h"
#include "include/nt/wdm.h"

namespace kebound::nt {

// Calls a driver's callback. Defined by the host where more than a call is needed: in a kernel, the
// processor keeps supervisor code out of the user's memory until that is asked for.
[[nodiscard]] RawAnswer call_driver(PBOUND_CALLBACK routine);

}  // namespace kebound::nt
