// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

#include "nt/facility.h"

namespace kebound::nt {

// How many system threads that began in this image still run. Context: any thread.
[[nodiscard]] size_t system_threads_of(const Image& image) noexcept;

}  // namespace kebound::nt
