// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <utility>

#include "report/recorded.h"

namespace kebound::report {
namespace {

constexpr size_t kReadSize = 256 * 1024;
constexpr size_t kMaxMaps = 65'536;

}  // namespace

bool RecordedFile::take_line(std::string& line, bool& is_complete) {
  size_t searched = position_;
  for (;;) {
    const size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos || (at_end_ && position_ < buffer_.size())) {
      is_complete = end != std::string::npos;
      line = buffer_.substr(position_, is_complete ? end - position_ : std::string::npos);
      position_ = is_complete ? end + 1 : buffer_.size();
      ++number_;
      return true;
    }
    if (at_end_) return false;
    buffer_.erase(0, position_);
    position_ = 0;
    searched = buffer_.size();
    if (buffer_.size() > kMaxLine) {
      ++number_;
      error_ = "the line is longer than 4 MiB";
      return false;
    }
    buffer_.resize(searched + kReadSize);
    ssize_t count = 0;
    do {
      count = read(fd_, buffer_.data() + searched, kReadSize);
    } while (count < 0 && errno == EINTR);
    buffer_.resize(searched + static_cast<size_t>(count > 0 ? count : 0));
    if (count < 0) {
      error_ = strerror(errno);
      return false;
    }
    at_end_ = count == 0;
  }
}

RecordedFile::Next RecordedFile::next(RecordedLine& line) {
  std::string text;
  bool is_complete = true;
  while (take_line(text, is_complete)) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto parsed = parse_recorded_line(text);
    if (auto* const good = std::get_if<RecordedLine>(&parsed)) {
      line = std::move(*good);
      return Next::Line;
    }
    error_ = std::get<RecordedError>(parsed).why;
    return is_complete ? Next::Error : Next::Partial;
  }
  return error_.empty() ? Next::End : Next::Error;
}

void RecordedResolver::admit(RecordedLine& line) {
  line_ = &line;
  if (!line.record) return;
  auto* const exception = std::get_if<events::BoundException>(&*line.record);
  if (exception == nullptr) return;
  std::string key;
  const auto part = [&key](std::string_view text) { key.append(text) += '\0'; };
  const Location& location = line.location;
  part(exception->program ? *exception->program : "");
  part(location.module);
  part(location.build_id);
  part(std::to_string(location.offset.value_or(~uint64_t{0})));
  part(std::to_string(exception->event.ip));
  for (const auto& frame : location.frames) {
    part(frame.function);
    part(frame.file);
    part(std::to_string(frame.line));
  }
  if (maps_.size() >= kMaxMaps) maps_.clear();
  auto& map = maps_[key];
  if (!map) {
    auto made = std::make_shared<events::ModuleMap>();
    made->generation = next_generation_++;
    made->is_64bit = exception->modules != nullptr && exception->modules->is_64bit;
    map = std::move(made);
  }
  exception->modules = map;
  if (!line.stack.empty()) exception->stack = std::make_shared<const events::StackSnapshot>();
}

Location RecordedResolver::locate(const events::ModuleMap&, uint64_t address) {
  const auto* const exception = line_ != nullptr && line_->record
                                    ? std::get_if<events::BoundException>(&*line_->record)
                                    : nullptr;
  if (exception == nullptr || address != exception->event.ip) return {};
  return line_->location;
}

std::vector<StackFrame> RecordedResolver::backtrace(const x86::Registers& registers,
                                                    const events::StackSnapshot&,
                                                    const events::ModuleMap& modules) {
  if (line_ != nullptr && !line_->stack.empty()) return line_->stack;
  return {{registers.rip, locate(modules, registers.rip)}};
}

}  // namespace kebound::report
