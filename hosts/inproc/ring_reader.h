// SPDX-License-Identifier: Apache-2.0
//
// The reading end of an event ring: whoever starts preloaded programs makes the file and drains it.
// The file is writable for the programs, so nothing in it is believed.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>

#include "include/kebound/abi.h"

namespace kebound::inproc {

class RingReader {
 public:
  // Makes a new file of the given name, readable and writable for its owner. `capacity`: a power of
  // two, 1..65536. Null when the file exists or cannot be made; errno says why. Context: any thread.
  [[nodiscard]] static std::unique_ptr<RingReader> create(const std::string& path,
                                                          uint32_t capacity);
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  // Unmaps; the file stays.
  ~RingReader();

  enum class Next {
    Record,   // `out` has the next one
    Empty,    // none is there
    Pending,  // the next one is being written, or its writer has died over it
  };
  // Context: one thread at a time. Does not wait.
  [[nodiscard]] Next next(kebound_ring_record& out) noexcept;

  // Gives a pending record up. For when its writer cannot be at it any more: all programs have ended, or
  // it has been pending for longer than any writer takes. Context: as next().
  void skip_pending() noexcept;

  // Records that found the ring full since the last call. Context: as next().
  [[nodiscard]] uint64_t take_dropped() noexcept;

 private:
  RingReader(void* memory, size_t size, uint32_t capacity) noexcept;
  [[nodiscard]] bool has_next() const noexcept;
  void advance() noexcept;

  void* const memory_;
  const size_t size_;
  const uint64_t capacity_;
  uint64_t tail_ = 0;  // ours; the one in the file is for the writers
  uint64_t dropped_ = 0;
};

}  // namespace kebound::inproc
