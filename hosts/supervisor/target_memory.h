// SPDX-License-Identifier: Apache-2.0
//
// Memory of another process. Its addresses are RemotePtr, never T*.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "trap/memory_reader.h"

namespace kebound::supervisor {

inline constexpr uint64_t kPageSize = 4096;

[[nodiscard]] constexpr uint64_t page_of(uint64_t address) noexcept {
  return address & ~(kPageSize - 1);
}

// One address space, named by a process that lives in it. process_vm_readv(2) obeys the target's
// page protections, as the target's own instructions do (ptrace's PEEK and /proc/PID/mem do not).
class TargetMemory {
 public:
  explicit TargetMemory(pid_t pid) noexcept : pid_(pid) {}

  // Copies up to `size` bytes; returns how many were readable from the start.
  size_t read_some(uint64_t address, void* buffer, size_t size) const noexcept;
  [[nodiscard]] bool read(uint64_t address, void* buffer, size_t size) const noexcept {
    return read_some(address, buffer, size) == size;
  }
  [[nodiscard]] bool write(uint64_t address, const void* buffer, size_t size) const noexcept;

  // The view that trap/ takes; valid as long as this object.
  [[nodiscard]] MemoryReader reader() noexcept;

 private:
  pid_t pid_;
};

}  // namespace kebound::supervisor
