// SPDX-License-Identifier: Apache-2.0
//
// Which checks the threads of a process may have executed again with another index. What code in
// front of such a check calculated is no evidence of the way that a thread came: the registers have
// been changed since. Freestanding; all zero when new.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kebound::x86 {

class Corrections {
 public:
  static constexpr uint32_t kMemory = 1u << 16;

  // `places`: what was changed, a bit for each general register, and kMemory. Context: anywhere.
  void note(uint64_t branch, uint32_t places) noexcept {
    __atomic_fetch_or(&places_[slot(branch)], places, __ATOMIC_RELAXED);
  }
  // Those of some others, too. 0: the check was not executed again.
  [[nodiscard]] uint32_t places(uint64_t branch) const noexcept {
    return __atomic_load_n(&places_[slot(branch)], __ATOMIC_RELAXED);
  }

 private:
  static constexpr size_t kSlots = 256;
  static constexpr size_t slot(uint64_t branch) noexcept {
    return static_cast<size_t>(branch * 0x9e3779b97f4a7c15u >> 56);
  }

  uint32_t places_[kSlots];
};

}  // namespace kebound::x86
