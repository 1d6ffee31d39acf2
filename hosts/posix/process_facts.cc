// SPDX-License-Identifier: Apache-2.0
#include "hosts/posix/process_facts.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "hosts/posix/proc_file.h"

namespace kebound::posix {
namespace {

std::string read_link(const std::string& path) {
  std::array<char, 4096> target;
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  return size > 0 ? std::string(target.data(), static_cast<size_t>(size)) : std::string();
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
  const std::string text = read_proc_file(path);
  return parse_number<T>(status_value(text, key), 10);
}

}  // namespace

std::string executable_path(pid_t pid) { return read_link(fmt::format("/proc/{}/exe", pid)); }

bool executable_is_64bit(pid_t pid) { return file_is_64bit(fmt::format("/proc/{}/exe", pid)); }

bool file_is_64bit(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  unsigned char ident[EI_NIDENT] = {};
  const bool complete = read(fd, ident, sizeof ident) == sizeof ident;
  close(fd);
  return complete && ident[EI_CLASS] == ELFCLASS64;
}

std::string thread_name(pid_t pid, pid_t tid) {
  std::string name = read_proc_file(fmt::format("/proc/{}/task/{}/comm", pid, tid));
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
  const std::string text = read_proc_file(fmt::format("/proc/{}/task/{}/status", pid, tid));
  return {parse_number<uint64_t>(status_value(text, "SigCgt"), 16),
          parse_number<uint64_t>(status_value(text, "SigIgn"), 16)};
}

int processor_of(pid_t pid, pid_t tid) {
  const std::string text = read_proc_file(fmt::format("/proc/{}/task/{}/stat", pid, tid));
  // Field 39 of proc(5). Field 2 is the thread's name in parentheses and may hold anything; fields
  // count from the last ')'.
  size_t at = text.rfind(')');
  for (int field = 2; at != std::string::npos && field < 39; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return -1;
  int processor = -1;
  std::from_chars(text.data() + at + 1, text.data() + text.size(), processor);
  return processor;
}

}  // namespace kebound::posix
