// SPDX-License-Identifier: Apache-2.0
#include "hosts/posix/module_map.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <string_view>

#include "hosts/posix/proc_file.h"

namespace kebound::posix {
namespace {

// One line of /proc/PID/maps (proc(5)).
struct MapsLine {
  uint64_t begin = 0, end = 0, offset = 0, inode = 0;
  unsigned device_major = 0, device_minor = 0;
  bool executable = false;
  std::string_view path;
};

bool parse(std::string_view line, MapsLine& out) {
  const char* at = line.data();
  const char* const end = at + line.size();
  const auto number = [&](auto& value, int base) {
    const auto [next, error] = std::from_chars(at, end, value, base);
    at = next;
    return error == std::errc();
  };
  const auto skip = [&](char c) { return at != end && *at++ == c; };
  if (!number(out.begin, 16) || !skip('-') || !number(out.end, 16) || !skip(' ')) return false;
  if (end - at < 5) return false;
  out.executable = at[2] == 'x';
  at += 5;
  if (!number(out.offset, 16) || !skip(' ') || !number(out.device_major, 16) || !skip(':') ||
      !number(out.device_minor, 16) || !skip(' ') || !number(out.inode, 10)) {
    return false;
  }
  while (at != end && *at == ' ') ++at;
  out.path = std::string_view(at, static_cast<size_t>(end - at));
  return true;
}

bool is_same_file(const std::string& path, const MapsLine& line) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && found.st_ino == line.inode &&
         major(found.st_dev) == line.device_major && minor(found.st_dev) == line.device_minor;
}

// Where this process can open the mapped file. Elsewhere than at its path (another mount namespace,
// deleted) it is opened now and kept open with the map, because the way to it ends with the
// process.
std::string find_file(pid_t pid, const MapsLine& line, std::vector<int>& kept) {
  const std::string path(line.path);
  if (is_same_file(path, line)) return path;
  const std::string candidates[] = {
      fmt::format("/proc/{}/root{}", pid, path),
      fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, line.begin, line.end),
  };
  for (const std::string& candidate : candidates) {
    if (!is_same_file(candidate, line)) continue;
    const int fd = open(candidate.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) continue;
    kept.push_back(fd);
    return fmt::format("/proc/self/fd/{}", fd);
  }
  return path;
}

}  // namespace

uint64_t new_map_generation() noexcept {
  static std::atomic<uint64_t> generations{0};
  return ++generations;
}

std::shared_ptr<const events::ModuleMap> ModuleMapReader::read(pid_t pid, bool is_64bit) {
  std::string text = read_proc_file(fmt::format("/proc/{}/maps", pid));
  if (text.empty()) return last_;
  if (last_ != nullptr && text == last_text_) return last_;

  auto map = std::make_shared<events::ModuleMap>();
  map->generation = new_map_generation();
  map->is_64bit = is_64bit;
  std::string_view previous_path;
  std::string previous_open_path;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    MapsLine line;
    if (parse(std::string_view(text).substr(at, end - at), line) && !line.path.empty()) {
      events::Mapping mapping{
          line.begin, line.end, line.offset, line.executable, std::string(line.path), {}};
      if (line.path.front() == '/') {
        if (line.path != previous_path) previous_open_path = find_file(pid, line, map->kept_fds);
        mapping.open_path = previous_open_path;
      }
      previous_path = line.path;
      map->mappings.push_back(std::move(mapping));
    }
    at = end + 1;
  }
  last_ = std::move(map);
  last_text_ = std::move(text);
  return last_;
}

void ModuleMapReader::forget() noexcept {
  last_.reset();
  last_text_.clear();
}

}  // namespace kebound::posix
