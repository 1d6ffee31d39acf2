// SPDX-License-Identifier: Apache-2.0
//
// futex(2) on the low half of a 64-bit word, for hosts that build their own waits on it. The kernel
// compares 32 bits only. What that costs: a waiter that found the whole word equal, and is
// overtaken before the kernel looks by a change that leaves the low half as it was, sleeps until
// the next wake_all() on the word. docs/memory-model.md shows why no user of core/ can lose a
// wake-up by that.
#pragma once

#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <climits>

namespace kebound::posix {

static_assert(std::endian::native == std::endian::little, "the low half of a word is its first");

// Sleeps while the low halves of *word and value are equal; returns early on a signal. errno is
// kept. Context: any place that may block; never in a signal handler.
inline void futex_wait(const uint64_t* word, uint64_t value) noexcept {
  const int saved = errno;
  // EAGAIN: it has changed already. EINTR: the caller looks again anyhow. Nothing else can come
  // back for a mapped, aligned word.
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, static_cast<uint32_t>(value), nullptr, nullptr, 0);
  errno = saved;
}

// Wakes all that sleep on the word. errno is kept. Context: anywhere, signal handlers included.
inline void futex_wake_all(const uint64_t* word) noexcept {
  const int saved = errno;
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  errno = saved;
}

}  // namespace kebound::posix
