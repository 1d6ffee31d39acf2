// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/address_ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <vector>

namespace kebound::supervisor {
namespace {

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool writable = false;
};

// "begin-end rwxp ...", hexadecimal. False for a line of another shape.
bool parse(const char* line, const char* line_end, Range& range) noexcept {
  const auto begin = std::from_chars(line, line_end, range.begin, 16);
  if (begin.ec != std::errc() || begin.ptr == line_end || *begin.ptr != '-') return false;
  const auto end = std::from_chars(begin.ptr + 1, line_end, range.end, 16);
  if (end.ec != std::errc() || line_end - end.ptr < 4) return false;
  range.writable = end.ptr[2] == 'w';
  return true;
}

std::vector<Range> ranges_from(const std::string& path, uint64_t from) {
  std::vector<Range> ranges;
  std::ifstream maps(path);
  for (std::string line; std::getline(maps, line);) {
    Range range;
    const bool kernel_page = line.ends_with("[vsyscall]");
    if (parse(line.data(), line.data() + line.size(), range) && range.begin >= from &&
        !kernel_page) {
      ranges.push_back(range);
    }
  }
  return ranges;
}

}  // namespace

bool is_writable(pid_t pid, uint64_t address) noexcept {
  char path[40] = "/proc/";
  char* const end = std::to_chars(path + 6, path + 26, pid).ptr;
  const char suffix[] = "/maps";
  for (size_t i = 0; i < sizeof suffix; ++i) end[i] = suffix[i];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  // A line's head is all that counts: the rest, a path of any length, is skipped as it streams by.
  char head[48];
  size_t head_size = 0;
  bool found = false;
  char buffer[4096];
  for (bool done = false; !done;) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    for (ssize_t i = 0; i < got && !done; ++i) {
      if (buffer[i] != '\n') {
        if (head_size < sizeof head) head[head_size++] = buffer[i];
        continue;
      }
      Range range;
      if (parse(head, head + head_size, range) && address < range.end) {
        found = address >= range.begin && range.writable;
        done = true;
      }
      head_size = 0;
    }
  }
  close(fd);
  return found;
}

std::string describe_overlaps(pid_t pid, uint64_t from) {
  const std::vector<Range> ours = ranges_from("/proc/self/maps", from);
  std::string text;
  for (const Range& theirs : ranges_from(fmt::format("/proc/{}/maps", pid), from)) {
    for (const Range& mine : ours) {
      const uint64_t begin = theirs.begin > mine.begin ? theirs.begin : mine.begin;
      const uint64_t end = theirs.end < mine.end ? theirs.end : mine.end;
      if (begin >= end) continue;
      if (!text.empty()) text += ", ";
      text += fmt::format("{:#x}-{:#x}", begin, end);
    }
  }
  return text;
}

}  // namespace kebound::supervisor
