// SPDX-License-Identifier: Apache-2.0
//
// What conformance_inproc finds in the module that has the cases.
#pragma once

#include "tests/conformance/case.h"

// The case of that name, null if there is none; it runs on `host`.
extern "C" const kebound::conformance::Case* conformance_open(
    const char* name, kebound::conformance::HostUnderTest& host);
