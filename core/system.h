// SPDX-License-Identifier: Apache-2.0
//
// What a lock-free type of core/ takes from the world, as one template parameter: its atomics, its
// waiting and its barriers. HostSystem is the real one; tests/model has one that runs the same code
// under a scheduler with store buffers.
#pragma once

#include <stdint.h>

#include "core/atomic.h"
#include "core/pal.h"

namespace kebound {

struct HostSystem {
  template <class T>
  using Atomic = kebound::Atomic<T>;

  // How often a wait looks again before it sleeps: the time of a short callback, some hundred
  // nanoseconds.
  static constexpr unsigned kSpins = 32;

  static void wait_while_equal(const Atomic<uint64_t>& word, uint64_t value) noexcept {
    pal::wait_while_equal(word.address(), value);
  }
  static void wake_all(const Atomic<uint64_t>& word) noexcept { pal::wake_all(word.address()); }
  // The cheap half: orders nothing but the compiler. Pairs with heavy_barrier().
  static void light_barrier() noexcept { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
  static void heavy_barrier() noexcept { pal::heavy_barrier(); }
  static void relax() noexcept { pal::relax(); }
};

}  // namespace kebound
