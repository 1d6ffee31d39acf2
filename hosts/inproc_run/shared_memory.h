// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

namespace kebound::inproc_run {

// Memory without a name that the processes of a run share with us. Whoever may look into this
// process' /proc entry can open it: its owner, and nobody else. Its size is sealed, so nobody can
// take the memory away from under us.
class SharedMemory {
 public:
  // `name`: as /proc shows it; `what`: as an error does. Throws std::system_error if there is no
  // memory for it.
  SharedMemory(const char* name, const char* what, size_t size);
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();

  // Valid for every descendant, as long as this process lives.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] uint8_t* bytes() const noexcept { return bytes_; }  // at a page's begin
  [[nodiscard]] size_t size() const noexcept { return size_; }

 private:
  size_t size_;
  int fd_ = -1;
  uint8_t* bytes_ = nullptr;
  std::string path_;
};

}  // namespace kebound::inproc_run
