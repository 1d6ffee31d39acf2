// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kebound::tool {

// A file of recorded events, open for reading; "-" is standard input.
class RecordedInput {
 public:
  RecordedInput() = default;
  RecordedInput(const RecordedInput&) = delete;
  RecordedInput& operator=(const RecordedInput&) = delete;
  ~RecordedInput();
  // False after a message.
  [[nodiscard]] bool open(const std::string& path);
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  int fd_ = -1;
  std::string name_;
};

}  // namespace kebound::tool
