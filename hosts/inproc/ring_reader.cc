// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/ring_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

namespace kebound::inproc {
namespace {

constexpr uint32_t kMaxCapacity = 65536;

kebound_ring_header& header_of(void* memory) noexcept {
  return *static_cast<kebound_ring_header*>(memory);
}

kebound_ring_record& record_of(void* memory, uint64_t place) noexcept {
  return reinterpret_cast<kebound_ring_record*>(static_cast<char*>(memory) +
                                                KEBOUND_RING_HEADER_SIZE)[place];
}

}  // namespace

std::unique_ptr<RingReader> RingReader::create(const std::string& path, uint32_t capacity) {
  if (capacity == 0 || capacity > kMaxCapacity || (capacity & (capacity - 1)) != 0) {
    errno = EINVAL;
    return nullptr;
  }
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return nullptr;
  const size_t size = KEBOUND_RING_HEADER_SIZE + size_t{capacity} * sizeof(kebound_ring_record);
  void* memory = MAP_FAILED;
  // Allocated now: a full file system would otherwise be a SIGBUS in a handler, later.
  const int refused = posix_fallocate(fd, 0, static_cast<off_t>(size));
  if (refused == 0) memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const int error = refused != 0 ? refused : errno;
  close(fd);
  if (memory == MAP_FAILED) {
    unlink(path.c_str());
    errno = error;
    return nullptr;
  }
  return std::unique_ptr<RingReader>(new RingReader(memory, size, capacity));
}

RingReader::RingReader(void* memory, size_t size, uint32_t capacity) noexcept
    : memory_(memory), size_(size), capacity_(capacity) {
  kebound_ring_header& header = header_of(memory_);
  header.version = KEBOUND_ABI_VERSION;
  header.record_size = sizeof(kebound_ring_record);
  header.capacity = capacity;
  header.magic = KEBOUND_RING_MAGIC;
}

RingReader::~RingReader() { munmap(memory_, size_); }

bool RingReader::has_next() const noexcept {
  const uint64_t head = __atomic_load_n(&header_of(memory_).head, __ATOMIC_ACQUIRE);
  return head != tail_ && head - tail_ <= capacity_;  // more than that is nobody's honest number
}

RingReader::Next RingReader::next(kebound_ring_record& out) noexcept {
  if (!has_next()) return Next::Empty;
  const kebound_ring_record& record = record_of(memory_, tail_ % capacity_);
  // Acquire, pairs with the writer's release of the sequence: the record is complete.
  if (__atomic_load_n(&record.sequence, __ATOMIC_ACQUIRE) != tail_ + 1) return Next::Pending;
  memcpy(&out, &record, sizeof out);
  out.text[sizeof out.text - 1] = '\0';
  if (out.code_size > sizeof out.code) out.code_size = sizeof out.code;
  advance();
  return Next::Record;
}

void RingReader::skip_pending() noexcept {
  if (has_next()) advance();
}

void RingReader::advance() noexcept {
  ++tail_;
  // Release, pairs with the writers' acquire: we are done with the record.
  __atomic_store_n(&header_of(memory_).tail, tail_, __ATOMIC_RELEASE);
}

uint64_t RingReader::take_dropped() noexcept {
  const uint64_t now = __atomic_load_n(&header_of(memory_).dropped, __ATOMIC_RELAXED);
  const uint64_t fresh = now - dropped_;
  dropped_ = now;
  return fresh;
}

}  // namespace kebound::inproc
