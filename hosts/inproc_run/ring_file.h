// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <string>

#include "include/kebound/abi.h"

namespace kebound::inproc_run {

// The event ring (include/kebound/abi.h) as memory without a name. Whoever may look into this
// process' /proc entry can open it: its owner, and nobody else. Its size is sealed, so no writer
// can take the memory away from under the reader.
class RingFile {
 public:
  // Throws std::system_error if there is no memory for it. `capacity`: records, a power of two.
  explicit RingFile(uint32_t capacity);
  RingFile(const RingFile&) = delete;
  RingFile& operator=(const RingFile&) = delete;
  ~RingFile();

  // What KEBOUND_RING says: valid for every descendant, as long as this process lives.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] kebound_ring_header* header() const noexcept { return header_; }
  [[nodiscard]] kebound_ring_record* records() const noexcept;
  [[nodiscard]] uint32_t capacity() const noexcept { return capacity_; }

 private:
  uint32_t capacity_;
  size_t size_;
  int fd_ = -1;
  kebound_ring_header* header_ = nullptr;
  std::string path_;
};

}  // namespace kebound::inproc_run
