// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include <string>

#include "hosts/inproc_run/shared_memory.h"
#include "include/kebound/abi.h"

namespace kebound::inproc_run {

// The event ring (include/kebound/abi.h).
class RingFile {
 public:
  // Throws std::system_error if there is no memory for it. `capacity`: records, a power of two.
  explicit RingFile(uint32_t capacity);

  // What KEBOUND_RING says.
  [[nodiscard]] const std::string& path() const noexcept { return memory_.path(); }
  [[nodiscard]] kebound_ring_header* header() const noexcept;
  [[nodiscard]] kebound_ring_record* records() const noexcept;
  [[nodiscard]] uint32_t capacity() const noexcept { return capacity_; }

 private:
  uint32_t capacity_;
  SharedMemory memory_;
};

}  // namespace kebound::inproc_run
