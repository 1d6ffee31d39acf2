// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/ring_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

namespace kebound::inproc_run {

RingFile::RingFile(uint32_t capacity)
    : capacity_(capacity),
      size_(KEBOUND_RING_HEADER_SIZE + size_t{capacity} * sizeof(kebound_ring_record)) {
  fd_ = memfd_create("kebound-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  void* memory = MAP_FAILED;
  if (fd_ >= 0 && fchmod(fd_, 0600) == 0 && ftruncate(fd_, static_cast<off_t>(size_)) == 0 &&
      fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
    memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  }
  if (memory == MAP_FAILED) {
    const int error = errno;
    if (fd_ >= 0) close(fd_);
    throw std::system_error(error, std::generic_category(), "event ring");
  }
  header_ = static_cast<kebound_ring_header*>(memory);
  header_->version = KEBOUND_ABI_VERSION;
  header_->record_size = sizeof(kebound_ring_record);
  header_->capacity = capacity;
  header_->magic = KEBOUND_RING_MAGIC;
  path_ = fmt::format("/proc/{}/fd/{}", getpid(), fd_);
}

RingFile::~RingFile() {
  munmap(header_, size_);
  close(fd_);
}

kebound_ring_record* RingFile::records() const noexcept {
  return reinterpret_cast<kebound_ring_record*>(reinterpret_cast<char*>(header_) +
                                                KEBOUND_RING_HEADER_SIZE);
}

}  // namespace kebound::inproc_run
