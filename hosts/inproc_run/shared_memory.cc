// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

namespace kebound::inproc_run {

SharedMemory::SharedMemory(const char* name, const char* what, size_t size) : size_(size) {
  fd_ = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  void* memory = MAP_FAILED;
  if (fd_ >= 0 && fchmod(fd_, 0600) == 0 && ftruncate(fd_, static_cast<off_t>(size_)) == 0 &&
      fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
    memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  }
  if (memory == MAP_FAILED) {
    const int error = errno;
    if (fd_ >= 0) close(fd_);
    throw std::system_error(error, std::generic_category(), what);
  }
  bytes_ = static_cast<uint8_t*>(memory);
  path_ = fmt::format("/proc/{}/fd/{}", getpid(), fd_);
}

SharedMemory::~SharedMemory() {
  munmap(bytes_, size_);
  close(fd_);
}

}  // namespace kebound::inproc_run
