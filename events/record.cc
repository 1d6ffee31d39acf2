// SPDX-License-Identifier: Apache-2.0
#include "events/record.h"

#include <time.h>
#include <unistd.h>

namespace kebound::events {

int64_t realtime_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

ModuleMap::~ModuleMap() {
  for (const int fd : kept_fds) close(fd);
}

}  // namespace kebound::events
