// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <type_traits>

namespace kebound::posix {

// A file from outside, read in pieces: whatever it is, opening it waits for nobody.
class File {
 public:
  explicit File(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  // What it is, if it is a regular file.
  [[nodiscard]] std::optional<struct stat> regular() const {
    struct stat file {};
    if (fd_ < 0 || fstat(fd_, &file) != 0 || !S_ISREG(file.st_mode)) return std::nullopt;
    return file;
  }
  // The bytes of [offset, offset + size) that the file has.
  [[nodiscard]] std::string read(uint64_t offset, size_t size) const {
    std::string bytes(size, '\0');
    bytes.resize(read(offset, bytes.data(), size));
    return bytes;
  }
  // The same into a buffer; how many bytes there were.
  [[nodiscard]] size_t read(uint64_t offset, void* buffer, size_t size) const noexcept {
    const ssize_t got =
        offset > INT64_MAX ? 0 : pread(fd_, buffer, size, static_cast<off_t>(offset));
    return got > 0 ? static_cast<size_t>(got) : 0;
  }
  template <class T>
  [[nodiscard]] std::optional<T> read_object(uint64_t offset) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::string bytes = read(offset, sizeof(T));
    if (bytes.size() != sizeof(T)) return std::nullopt;
    T object;
    memcpy(static_cast<void*>(&object), bytes.data(), sizeof object);
    return object;
  }

 private:
  int fd_;
};

}  // namespace kebound::posix
