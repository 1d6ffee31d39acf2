// SPDX-License-Identifier: Apache-2.0
#include "hosts/posix/module_map.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <string_view>

namespace kebound::posix {
namespace {

std::string read_whole(const std::string& path) {
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

std::string read_link(const std::string& path) {
  std::array<char, 4096> target;
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  return size > 0 ? std::string(target.data(), static_cast<size_t>(size)) : std::string();
}

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

// The value of "Key:" in a /proc status text.
std::string_view status_value(std::string_view text, std::string_view key) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ':') {
      line.remove_prefix(key.size() + 1);
      const size_t first = line.find_first_not_of(" \t");
      return first == std::string_view::npos ? std::string_view() : line.substr(first);
    }
    at = end + 1;
  }
  return {};
}

template <class T>
T parse_number(std::string_view text, int base) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

template <class T>
T status_number(const std::string& path, std::string_view key) {
  const std::string text = read_whole(path);
  return parse_number<T>(status_value(text, key), 10);
}

}  // namespace

uint64_t new_map_generation() noexcept {
  static std::atomic<uint64_t> generations{0};
  return ++generations;
}

std::shared_ptr<const events::ModuleMap> ModuleMapReader::read(pid_t pid, bool is_64bit) {
  std::string text = read_whole(fmt::format("/proc/{}/maps", pid));
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

std::string executable_path(pid_t pid) { return read_link(fmt::format("/proc/{}/exe", pid)); }

bool executable_is_64bit(pid_t pid) {
  const int fd = open(fmt::format("/proc/{}/exe", pid).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  unsigned char ident[EI_NIDENT] = {};
  const bool complete = read(fd, ident, sizeof ident) == sizeof ident;
  close(fd);
  return complete && ident[EI_CLASS] == ELFCLASS64;
}

std::string thread_name(pid_t pid, pid_t tid) {
  std::string name = read_whole(fmt::format("/proc/{}/task/{}/comm", pid, tid));
  if (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

pid_t process_of_thread(pid_t tid) {
  return status_number<pid_t>(fmt::format("/proc/{}/status", tid), "Tgid");
}

pid_t parent_of(pid_t pid) {
  return status_number<pid_t>(fmt::format("/proc/{}/status", pid), "PPid");
}

pid_t tracer_of(pid_t pid, pid_t tid) {
  return status_number<pid_t>(fmt::format("/proc/{}/task/{}/status", pid, tid), "TracerPid");
}

std::vector<pid_t> threads_of(pid_t pid) {
  std::vector<pid_t> threads;
  std::error_code error;  // a process that ends meanwhile has no threads
  for (std::filesystem::directory_iterator entry(fmt::format("/proc/{}/task", pid), error), end;
       !error && entry != end; entry.increment(error)) {
    threads.push_back(parse_number<pid_t>(entry->path().filename().native(), 10));
  }
  return threads;
}

SignalMasks signal_masks(pid_t pid, pid_t tid) {
  const std::string text = read_whole(fmt::format("/proc/{}/task/{}/status", pid, tid));
  return {parse_number<uint64_t>(status_value(text, "SigCgt"), 16),
          parse_number<uint64_t>(status_value(text, "SigIgn"), 16)};
}

}  // namespace kebound::posix
