// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

namespace kebound::conformance {

// How often the calling thread went through operator new so far. Context: any thread.
[[nodiscard]] uint64_t allocations_of_this_thread() noexcept;

}  // namespace kebound::conformance
