// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/inproc/module_entry.h"

namespace {

const kebound::conformance::Case* the_case = nullptr;

}  // namespace

// For whoever looks for the module's data.
extern "C" char conformance_data;
char conformance_data = 1;

extern "C" const kebound::conformance::Case* conformance_open(
    const char* name, kebound::conformance::HostUnderTest& host) {
  kebound::conformance::running_host() = &host;
  the_case = kebound::conformance::find_case(name);
  return the_case;
}

// The module's DT_FINI, the last thing of an image that runs: after its __cxa_finalize, where
// libkebound does what it does with images that go, and before it is unmapped.
extern "C" void conformance_gone() {
  if (the_case != nullptr && the_case->traits.gone != nullptr) the_case->traits.gone();
}
