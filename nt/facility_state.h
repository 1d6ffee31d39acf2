// SPDX-License-Identifier: Apache-2.0
//
// Between the facility's own files.
#pragma once

#include "nt/facility.h"

namespace kebound::nt {

inline constexpr uint64_t kTrapBound = 5;  // bug check 0x7F, parameter 1: #BR

// The attached threads, linked by next_attached.
[[nodiscard]] Thread* first_attached() noexcept;

}  // namespace kebound::nt
