// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kebound {

// How a decoder reads the memory of whoever trapped: in this process, in another one, or recorded.
// The target is hostile; a reader never faults and never reads what the target itself could not.
struct MemoryReader {
  void* self = nullptr;
  // Copies up to `size` bytes from `address` on; returns how many were readable from the start (a
  // partial count where a page boundary ends the readable part), 0 for none.
  size_t (*read_some)(void* self, uint64_t address, void* buffer, size_t size) noexcept = nullptr;

  [[nodiscard]] bool read(uint64_t address, void* buffer, size_t size) const noexcept {
    return read_some(self, address, buffer, size) == size;
  }
};

}  // namespace kebound
