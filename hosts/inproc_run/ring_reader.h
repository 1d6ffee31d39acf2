// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include "include/kebound/abi.h"

namespace kebound::inproc_run {

// The reading end of an event ring. Believes nothing that the ring says: it is memory of the
// programs, and they may write anything into it at any time. Where to read next is known here
// alone, so the worst that a writer can do is to lose events, its own and others'.
class RingReader {
 public:
  // `capacity` is the reader's own knowledge, not the header's.
  RingReader(kebound_ring_header* header, kebound_ring_record* records, uint32_t capacity) noexcept
      : header_(header), records_(records), capacity_(capacity) {}

  enum class Next : uint8_t {
    Record,      // `record` is a copy of it
    Empty,       // nothing is there
    Incomplete,  // a writer has taken the number and not finished: it is writing, or it is dead
    Damaged,     // `head` is what no writer of ours writes, and nothing can be read
  };
  // Context: one thread at a time.
  [[nodiscard]] Next next(kebound_ring_record& record) noexcept;

  // Gives up on an incomplete record: its writer is gone.
  void skip() noexcept;

  // Events for which there was no room, as the writers counted them; and those given up here.
  [[nodiscard]] uint64_t dropped() const noexcept;
  [[nodiscard]] uint64_t skipped() const noexcept { return skipped_; }

 private:
  void advance() noexcept;

  kebound_ring_header* header_;
  kebound_ring_record* records_;
  uint64_t capacity_;
  uint64_t tail_ = 0;  // ours; the header's copy is for the writers
  uint64_t skipped_ = 0;
};

}  // namespace kebound::inproc_run
