// SPDX-License-Identifier: Apache-2.0
#include "nt/driver_call.h"

namespace kebound::nt {

RawAnswer call_driver(PBOUND_CALLBACK routine) { return static_cast<RawAnswer>(routine()); }

}  // namespace kebound::nt
