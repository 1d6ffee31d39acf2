// SPDX-License-Identifier: Apache-2.0
//
// Timers and DPCs: one host thread, started with the first of them, that lives as long as the
// process.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "nt/facility.h"

namespace kebound::nt {

// Cancels the timers and DPCs that lie in the image or would call into it; describes each. Context:
// any thread.
[[nodiscard]] std::vector<std::string> cancel_deferred_of(const Image& image);

// True when a set timer or a queued DPC lies in [begin, end). Context: any thread.
[[nodiscard]] bool deferred_in_range(uint64_t begin, uint64_t end) noexcept;

}  // namespace kebound::nt
