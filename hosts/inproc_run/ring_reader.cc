// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/ring_reader.h"

#include <string.h>

namespace kebound::inproc_run {

RingReader::Next RingReader::next(kebound_ring_record& record) noexcept {
  const kebound_ring_record& slot = records_[tail_ % capacity_];
  // Pairs with the writer's release: the record is complete.
  if (__atomic_load_n(&slot.sequence, __ATOMIC_ACQUIRE) == tail_ + 1) {
    // A writer that keeps to the layout does not touch it before the tail has passed. One that does
    // not makes nonsense of its own event: the copy is what is checked and used.
    memcpy(&record, &slot, sizeof record);
    advance();
    return Next::Record;
  }
  const uint64_t ahead = __atomic_load_n(&header_->head, __ATOMIC_RELAXED) - tail_;
  if (ahead == 0) return Next::Empty;
  return ahead <= capacity_ ? Next::Incomplete : Next::Damaged;
}

void RingReader::skip() noexcept {
  ++skipped_;
  advance();
}

uint64_t RingReader::dropped() const noexcept {
  return __atomic_load_n(&header_->dropped, __ATOMIC_RELAXED);
}

void RingReader::advance() noexcept {
  ++tail_;
  // Pairs with the writers' acquire: the slot has been copied and may be written again.
  __atomic_store_n(&header_->tail, tail_, __ATOMIC_RELEASE);
}

}  // namespace kebound::inproc_run
