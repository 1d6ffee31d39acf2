// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/processes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace kebound::inproc_run {
namespace {

// What a hostile or merely busy process can make us keep.
constexpr size_t kMaxPlaces = 4096;
constexpr size_t kMaxNames = 1024;
constexpr size_t kMaxImages = 64;

const events::Mapping* mapping_at(const events::ModuleMap& map, uint64_t address) {
  // The mappings are sorted by begin.
  auto after = std::upper_bound(map.mappings.begin(), map.mappings.end(), address,
                                [](uint64_t a, const events::Mapping& m) { return a < m.begin; });
  if (after == map.mappings.begin()) return nullptr;
  const events::Mapping& mapping = *--after;
  return address < mapping.end ? &mapping : nullptr;
}

bool file_has(const events::Mapping& mapping, uint64_t address, const uint8_t* bytes, size_t size) {
  const int fd = open(mapping.open_path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return false;
  struct stat file {};
  uint8_t found[sizeof events::BoundException::code];
  const uint64_t offset = mapping.file_offset + (address - mapping.begin);
  const bool same =
      fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && offset <= INT64_MAX &&
      pread(fd, found, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size) &&
      memcmp(found, bytes, size) == 0;
  close(fd);
  return same;
}

enum class Match : uint8_t {
  No,       // another file's code is there
  Unknown,  // nothing is known to be there: generated code, or the process has changed
  Yes,      // the file mapped there has this instruction
};

Match match(const events::ModuleMap* map, const events::BoundException& exception) {
  if (map == nullptr) return Match::Unknown;
  const events::Mapping* const mapping = mapping_at(*map, exception.event.ip);
  if (mapping == nullptr || mapping->open_path.empty()) return Match::Unknown;
  if (!mapping->executable || exception.code_size == 0) return Match::No;
  return file_has(*mapping, exception.event.ip, exception.code, exception.code_size) ? Match::Yes
                                                                                     : Match::No;
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

void Processes::first(pid_t pid, const std::string& fallback, int64_t time_ns) {
  auto process = std::make_unique<Process>();
  std::string program = posix::executable_path(pid);
  process->own.is_64bit = posix::executable_is_64bit(pid);
  process->own.program =
      std::make_shared<const std::string>(program.empty() ? fallback : std::move(program));
  announce(pid, process->own, time_ns);
  processes_[pid] = std::move(process);
}

void Processes::refresh(pid_t pid) {
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return;
  Image& own = found->second->own;
  auto modules = found->second->reader.read(pid, own.is_64bit);
  if (modules == own.modules) return;
  own.modules = std::move(modules);
  remember(own);
}

Processes::Process& Processes::find(pid_t pid, bool is_64bit, int64_t time_ns) {
  std::unique_ptr<Process>& process = processes_[pid];
  if (process == nullptr) {
    process = std::make_unique<Process>();
    read_image(pid, *process, is_64bit, time_ns);
    if (process->own.program == nullptr) {
      process->own.is_64bit = is_64bit;
      announce(pid, process->own, time_ns);
    }
  }
  return *process;
}

// What the process is now, announced if that is news.
void Processes::read_image(pid_t pid, Process& process, bool is_64bit, int64_t time_ns) {
  std::string program = posix::executable_path(pid);
  if (program.empty()) return;  // it is gone: what was seen last is what we have
  Image& own = process.own;
  const bool is_new = own.program == nullptr || *own.program != program || own.is_64bit != is_64bit;
  if (is_new) {
    process.reader.forget();
    own = {std::make_shared<const std::string>(std::move(program)), is_64bit, nullptr};
  }
  own.modules = process.reader.read(pid, is_64bit);
  remember(own);
  if (is_new) announce(pid, own, time_ns);
}

void Processes::announce(pid_t pid, const Image& image, int64_t time_ns) {
  events::ProcessStarted record;
  record.time_ns = time_ns;
  record.pid = pid;
  record.parent = posix::parent_of(pid);
  record.program = image.program != nullptr ? *image.program : std::string();
  record.is_64bit = image.is_64bit;
  sink_.accept(std::move(record));
}

void Processes::remember(const Image& image) {
  if (image.modules == nullptr) return;
  for (const Image& known : seen_) {
    if (known.modules == image.modules) return;
  }
  seen_.push_front(image);
  if (seen_.size() > kMaxImages) seen_.pop_back();
}

const Processes::Image& Processes::image_at(pid_t pid, Process& process, const RingRecord& record,
                                            const events::BoundException& exception) {
  const uint64_t ip = exception.event.ip;
  const auto known = process.places.find(ip);
  if (known != process.places.end() && known->second.is_64bit == record.is_64bit) {
    return known->second;
  }
  if (process.places.size() >= kMaxPlaces) process.places.clear();
  read_image(pid, process, record.is_64bit, exception.time_ns);
  const Match own = match(process.own.modules.get(), exception);
  Image image = process.own;
  if (own != Match::Yes) {
    const auto other = std::find_if(seen_.begin(), seen_.end(), [&](const Image& candidate) {
      return candidate.is_64bit == record.is_64bit &&
             match(candidate.modules.get(), exception) == Match::Yes;
    });
    if (other != seen_.end()) {
      image = *other;
    } else if (own == Match::No) {
      image.modules = nullptr;
    }
  }
  return process.places[ip] = std::move(image);
}

const Processes::Names& Processes::names_of(Process& process, const Image& image,
                                            uint64_t routine) {
  if (process.callbacks.size() >= kMaxNames) process.callbacks.clear();
  const auto [entry, is_new] = process.callbacks.try_emplace(routine);
  Names& names = entry->second;
  if (!is_new) return names;
  std::string driver;
  std::string callback = fmt::format("{:#x}", routine);
  if (image.modules != nullptr) {
    if (const events::Mapping* const at = mapping_at(*image.modules, routine)) {
      const auto lowest =
          std::find_if(image.modules->mappings.begin(), image.modules->mappings.end(),
                       [&](const events::Mapping& mapping) { return mapping.path == at->path; });
      const bool is_ours = base_name(at->path).starts_with("libkebound-preload.so");
      driver = is_ours ? "builtin" : base_name(at->path);
      callback =
          is_ours ? "builtin!" + policy_ : fmt::format("{}+{:#x}", driver, routine - lowest->begin);
    }
  }
  names.driver = std::make_shared<const std::string>(std::move(driver));
  names.callback = std::make_shared<const std::string>(std::move(callback));
  return names;
}

void Processes::complete(events::BoundException& exception, Process& process,
                         const RingRecord& record) {
  const Image& image = image_at(record.pid, process, record, exception);
  exception.program = image.program;
  exception.modules = image.modules;
  if (process.thread_names.size() >= kMaxNames) process.thread_names.clear();
  events::SharedName& name = process.thread_names[record.tid];
  if (name == nullptr) {
    std::string text = posix::thread_name(record.pid, record.tid);
    if (!text.empty()) name = std::make_shared<const std::string>(std::move(text));
  }
  exception.thread_name = name;
  for (const RingAnswer& answer : record.answers) {
    const Names& names = names_of(process, image, answer.routine);
    exception.answers.push_back({names.driver, names.callback, answer.status, answer.edited});
  }
}

void Processes::take(RingRecord&& record) {
  const int64_t time_ns = std::visit([](const auto& it) { return it.time_ns; }, record.record);
  Process& process = find(record.pid, record.is_64bit, time_ns);
  if (auto* const exception = std::get_if<events::BoundException>(&record.record)) {
    complete(*exception, process, record);
  } else if (record.routine != 0) {
    const Names& names = names_of(process, process.own, record.routine);
    if (auto* const bug_check = std::get_if<events::BugCheckRecord>(&record.record)) {
      bug_check->driver = *names.driver;
      bug_check->callback = *names.callback;
    } else if (auto* const verifier = std::get_if<events::VerifierRecord>(&record.record)) {
      verifier->driver = *names.driver;
      verifier->callback = *names.callback;
    }
  }
  sink_.accept(std::move(record.record));
}

void Processes::ended(pid_t pid, bool signaled, int status, int64_t time_ns) {
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return;  // it was never announced
  processes_.erase(found);
  sink_.accept(events::ProcessExited{time_ns, pid, signaled, status});
}

}  // namespace kebound::inproc_run
