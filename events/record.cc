// SPDX-License-Identifier: Apache-2.0
#include "events/record.h"

#include <unistd.h>

namespace kebound::events {

ModuleMap::~ModuleMap() {
  for (const int fd : kept_fds) close(fd);
}

}  // namespace kebound::events
