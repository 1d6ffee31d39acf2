// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

#include <string>
#include <vector>

#include "nt/facility.h"

namespace kebound::nt {

struct PoolLeak {
  std::string tag;  // four characters
  size_t blocks = 0;
  size_t bytes = 0;
};

// What the driver has allocated and not freed, by tag; the blocks count as nobody's from then on.
// Context: any thread.
[[nodiscard]] std::vector<PoolLeak> take_pool_leaks(const Image& image);

}  // namespace kebound::nt
