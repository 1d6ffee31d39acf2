// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/conformance/case.h"

namespace kebound::conformance {

// One case, in a kernel that was started for it. Does not return where a bug check ends it.
void run_case(const Case& which);

}  // namespace kebound::conformance
