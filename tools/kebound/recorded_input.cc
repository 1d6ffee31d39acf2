// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/recorded_input.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tools/kebound/message.h"

namespace kebound::tool {

RecordedInput::~RecordedInput() {
  if (fd_ >= 0) close(fd_);
}

bool RecordedInput::open(const std::string& path) {
  name_ = path == "-" ? "standard input" : path;
  fd_ = path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                    : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd_ >= 0) return true;
  print_message(
      {name_, "cannot be read: " + error_text(errno), "give a file that --report jsonl wrote"});
  return false;
}

}  // namespace kebound::tool
