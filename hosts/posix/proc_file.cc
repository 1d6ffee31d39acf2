// SPDX-License-Identifier: Apache-2.0
#include "hosts/posix/proc_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace kebound::posix {

std::string read_proc_file(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  std::array<char, 16384> buffer;
  for (ssize_t got; (got = read(fd, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  close(fd);
  return text;
}

}  // namespace kebound::posix
