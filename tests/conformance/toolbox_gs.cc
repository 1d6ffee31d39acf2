// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {

uint64_t thread_behind_gs() {
  uint64_t thread = 0;
  __asm__ volatile("movq %%gs:0x188, %0" : "=r"(thread));
  return thread;
}

}  // namespace kebound::conformance
