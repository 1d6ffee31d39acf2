// SPDX-License-Identifier: Apache-2.0
#include "core/pal.h"
#include "hosts/posix/futex.h"

namespace kebound::pal {

void wait_while_equal(const uint64_t* word, uint64_t value) noexcept {
  posix::futex_wait(word, value);
}

void wake_all(const uint64_t* word) noexcept { posix::futex_wake_all(word); }

}  // namespace kebound::pal
