// SPDX-License-Identifier: Apache-2.0
#include "core/pal.h"

namespace kebound::pal {

void relax() noexcept { __builtin_ia32_pause(); }

}  // namespace kebound::pal
