// SPDX-License-Identifier: Apache-2.0
#include "core/pal.h"

namespace kebound::pal {

void relax() noexcept { asm volatile("yield" ::: "memory"); }

}  // namespace kebound::pal
