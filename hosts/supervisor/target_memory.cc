// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/target_memory.h"

#include <sys/uio.h>

#include <algorithm>

namespace kebound::supervisor {

size_t TargetMemory::read_some(uint64_t address, void* buffer, size_t size) const noexcept {
  // The kernel stops at remote-iovec granularity: a single one that runs into an unreadable page
  // gives nothing of its readable part. So the range is split at page ends.
  constexpr size_t kBatch = 32;
  size_t done = 0;
  while (done < size) {
    iovec remote[kBatch];
    size_t count = 0;
    size_t batch = 0;
    while (count < kBatch && done + batch < size) {
      const uint64_t from = address + done + batch;
      const size_t to_page_end = kPageSize - (from & (kPageSize - 1));
      const size_t length = std::min(size - done - batch, to_page_end);
      remote[count++] = {reinterpret_cast<void*>(from), length};
      batch += length;
    }
    const iovec local = {static_cast<char*>(buffer) + done, batch};
    const ssize_t got = process_vm_readv(pid_, &local, 1, remote, count, 0);
    if (got <= 0) break;
    done += static_cast<size_t>(got);
    if (static_cast<size_t>(got) < batch) break;
  }
  return done;
}

bool TargetMemory::write(uint64_t address, const void* buffer, size_t size) const noexcept {
  const iovec local = {const_cast<void*>(buffer), size};
  const iovec remote = {reinterpret_cast<void*>(address), size};
  return process_vm_writev(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

MemoryReader TargetMemory::reader() noexcept {
  return {this, [](void* self, uint64_t address, void* buffer, size_t size) noexcept {
            return static_cast<TargetMemory*>(self)->read_some(address, buffer, size);
          }};
}

}  // namespace kebound::supervisor
