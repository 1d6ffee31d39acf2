// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/image.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kebound::inproc {
namespace {

// /proc/self/maps, one character at a time out of a small buffer: this runs in signal handlers.
class Maps {
 public:
  Maps() noexcept
      : fd_(static_cast<int>(
            syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC))) {}
  Maps(const Maps&) = delete;
  Maps& operator=(const Maps&) = delete;
  ~Maps() {
    if (fd_ >= 0) syscall(SYS_close, fd_);
  }

  // The next mapping's range and whether it is executable; false at the end.
  bool next(uint64_t& begin, uint64_t& end, bool& executable) noexcept {
    if (!number('-', begin) || !number(' ', end)) return false;
    int c = 0;
    for (int i = 0; i < 3; ++i) c = get();  // r, w, x
    executable = c == 'x';
    while (c != '\n' && c >= 0) c = get();
    return true;
  }

 private:
  bool number(int stop, uint64_t& value) noexcept {
    value = 0;
    for (int c = get(); c != stop; c = get()) {
      if (c >= '0' && c <= '9') {
        value = value << 4 | static_cast<uint64_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        value = value << 4 | static_cast<uint64_t>(c - 'a' + 10);
      } else {
        return false;
      }
    }
    return true;
  }

  int get() noexcept {
    if (at_ == filled_) {
      long got = -1;
      do {
        got = fd_ < 0 ? -1 : syscall(SYS_read, fd_, buffer_, sizeof buffer_);
      } while (got < 0 && fd_ >= 0 && errno == EINTR);
      if (got <= 0) return -1;
      at_ = 0;
      filled_ = static_cast<unsigned>(got);
    }
    return static_cast<unsigned char>(buffer_[at_++]);
  }

  const int fd_;
  unsigned at_ = 0;
  unsigned filled_ = 0;
  char buffer_[2048];
};

bool find_object(uint64_t address, dl_find_object& object) noexcept {
  return address <= UINTPTR_MAX &&
         _dl_find_object(reinterpret_cast<void*>(static_cast<uintptr_t>(address)), &object) == 0;
}

}  // namespace

Image image_of(uint64_t address) noexcept {
  dl_find_object object;
  if (!find_object(address, object)) return {};
  const link_map* const map = object.dlfo_link_map;
  return {reinterpret_cast<uintptr_t>(object.dlfo_map_start),
          reinterpret_cast<uintptr_t>(object.dlfo_map_end),
          map != nullptr && map->l_name != nullptr ? map->l_name : "",
          map != nullptr ? map->l_addr : 0};
}

bool is_executable(uint64_t address) noexcept {
  const int saved = errno;
  Maps maps;
  uint64_t begin = 0;
  uint64_t end = 0;
  bool executable = false;
  bool found = false;
  while (!found && maps.next(begin, end, executable)) found = address >= begin && address < end;
  errno = saved;
  return found && executable;
}

}  // namespace kebound::inproc
