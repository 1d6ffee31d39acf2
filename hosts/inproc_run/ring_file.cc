// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/ring_file.h"

namespace kebound::inproc_run {

RingFile::RingFile(uint32_t capacity)
    : capacity_(capacity),
      memory_("kebound-ring", "event ring",
              KEBOUND_RING_HEADER_SIZE + size_t{capacity} * sizeof(kebound_ring_record)) {
  kebound_ring_header& first = *header();
  first.version = KEBOUND_ABI_VERSION;
  first.record_size = sizeof(kebound_ring_record);
  first.capacity = capacity;
  first.magic = KEBOUND_RING_MAGIC;
}

kebound_ring_header* RingFile::header() const noexcept {
  return reinterpret_cast<kebound_ring_header*>(memory_.bytes());
}

kebound_ring_record* RingFile::records() const noexcept {
  return reinterpret_cast<kebound_ring_record*>(memory_.bytes() + KEBOUND_RING_HEADER_SIZE);
}

}  // namespace kebound::inproc_run
