// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include "core/livelock.h"

namespace kebound::linux_module {

// The module's parameters; written once, before the first exception.
struct Settings {
  uint64_t livelock_limit = kDefaultLivelockLimit;
};
extern constinit Settings g_settings;

}  // namespace kebound::linux_module
