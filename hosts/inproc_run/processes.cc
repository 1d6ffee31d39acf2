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

#include "hosts/inproc_run/image_id.h"
#include "hosts/inproc_run/image_map.h"
#include "hosts/posix/process_facts.h"

namespace kebound::inproc_run {
namespace {

// What a hostile or merely busy process can make us keep.
constexpr size_t kMaxPlaces = 4096;
constexpr size_t kMaxNames = 1024;
constexpr size_t kMaxImages = 64;
constexpr size_t kMaxChanged = 256;

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
  No,       // another file's code is there, or another build of it
  Unknown,  // nothing is known to be there: generated code, or the process has changed
  Yes,      // the file mapped there has this instruction
};

Match match(const events::ModuleMap* map, const events::BoundException& exception,
            const ImageId& id) {
  if (map == nullptr) return Match::Unknown;
  const events::Mapping* const mapping = mapping_at(*map, exception.event.ip);
  if (mapping == nullptr || mapping->open_path.empty()) return Match::Unknown;
  if (!mapping->executable || exception.code_size == 0) return Match::No;
  if (!file_has(*mapping, exception.event.ip, exception.code, exception.code_size))
    return Match::No;
  if (id.is_known() && !is_same_image(id, look_at_file(mapping->open_path))) return Match::No;
  return Match::Yes;
}

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

void Processes::first(pid_t pid, const std::string& fallback, int64_t time_ns) {
  auto process = std::make_unique<Process>();
  std::string program = posix::executable_path(pid);
  if (program.empty()) program = fallback;
  // A short program may end between any two of these looks.
  process->own.is_64bit = posix::executable_is_64bit(pid) || posix::file_is_64bit(program);
  process->own.program = std::make_shared<const std::string>(std::move(program));
  announce(pid, *process, process->own, time_ns);
  processes_[pid] = std::move(process);
}

void Processes::refresh(pid_t pid) {
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return;
  // It may have become another program meanwhile.
  read_image(pid, *found->second, posix::executable_is_64bit(pid));
}

Processes::Process& Processes::find(pid_t pid) {
  std::unique_ptr<Process>& process = processes_[pid];
  if (process == nullptr) process = std::make_unique<Process>();
  return *process;
}

// What the process is now.
void Processes::read_image(pid_t pid, Process& process, bool is_64bit) {
  std::string program = posix::executable_path(pid);
  if (program.empty()) return;  // it is gone: what was seen last is what we have
  Image& own = process.own;
  if (own.program == nullptr || *own.program != program || own.is_64bit != is_64bit) {
    process.reader.forget();
    own = {std::make_shared<const std::string>(std::move(program)), is_64bit, nullptr};
  }
  own.modules = process.reader.read(pid, is_64bit);
  remember(own);
}

// Says what runs in the process, if that is news.
void Processes::announce(pid_t pid, Process& process, const Image& image, int64_t time_ns) {
  const events::SharedName& former = process.announced_program;
  const bool same = image.program == nullptr || image.program == former ||
                    (former != nullptr && *former == *image.program);
  if (process.announced && same && process.announced_64bit == image.is_64bit) return;
  process.announced = true;
  process.announced_program = image.program;
  process.announced_64bit = image.is_64bit;
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
  if (known != process.places.end() && known->second.image.is_64bit == record.is_64bit &&
      known->second.named == record.image && known->second.id == record.image_id) {
    return known->second.image;
  }
  if (process.places.size() >= kMaxPlaces) process.places.clear();
  read_image(pid, process, record.is_64bit);
  const ImageId& id = record.image_id;
  const Match own = match(process.own.modules.get(), exception, id);
  Image image = process.own;
  if (own == Match::Yes) {
    image.modules = with_build_id(process.own.modules, record, ip);
  } else {
    const auto other = std::find_if(seen_.begin(), seen_.end(), [&](const Image& candidate) {
      return candidate.is_64bit == record.is_64bit &&
             match(candidate.modules.get(), exception, id) == Match::Yes;
    });
    if (other != seen_.end()) {
      image = *other;
      image.modules = with_build_id(other->modules, record, ip);
    } else {
      image.modules = record.image.empty() ? nullptr : map_of_image(record);
      bool is_named = match(image.modules.get(), exception, id) == Match::Yes;
      if (!is_named && id.is_known() && !is_same_image(id, look_at_file(record.image))) {
        say_changed(record, exception);
        image.modules = map_without_file(record, exception.event);
        is_named = true;
      }
      if (!is_named) {
        image.modules = own == Match::No ? nullptr : process.own.modules;
      } else if (record.image_is_program) {
        image.program = std::make_shared<const std::string>(record.image);
        image.is_64bit = record.is_64bit;
      }
    }
  }
  return (process.places[ip] = {std::move(image), record.image, id}).image;
}

void Processes::say_changed(const RingRecord& record, const events::BoundException& exception) {
  const std::string was = describe(record.image_id);
  if (said_changed_.size() >= kMaxChanged ||
      !said_changed_.insert(record.image + '\0' + was).second)
    return;
  const FileNow now = look_at_file(record.image);
  events::VerifierRecord said;
  said.time_ns = exception.time_ns;
  said.pid = exception.pid;
  said.tid = exception.tid;
  said.rule = "image-changed";
  said.message = fmt::format(
      "{} is not the file any more that the exception was in: that had {}, {}; {}", record.image,
      was,
      now.readable ? fmt::format("this one has {}", describe(now.id)) : "now there is none to read",
      record.image_id.build_id.empty()
          ? "its functions have no names"
          : "its functions have names only where the debug file of that build is installed");
  sink_.accept(std::move(said));
}

const Processes::Names& Processes::names_of(Process& process, const Image& image, uint64_t routine,
                                            bool builtin) {
  if (process.callbacks.size() >= kMaxNames) process.callbacks.clear();
  const auto [entry, is_new] = process.callbacks.try_emplace(routine);
  Names& names = entry->second;
  if (!is_new) return names;
  std::string driver;
  std::string callback = fmt::format("{:#x}", routine);
  if (builtin) {
    driver = "builtin";
    callback = "builtin!" + policy_;
  } else if (image.modules != nullptr) {
    if (const events::Mapping* const at = mapping_at(*image.modules, routine)) {
      const auto lowest =
          std::find_if(image.modules->mappings.begin(), image.modules->mappings.end(),
                       [&](const events::Mapping& mapping) { return mapping.path == at->path; });
      driver = base_name(at->path);
      callback = fmt::format("{}+{:#x}", driver, routine - lowest->begin);
    }
  }
  names.driver = std::make_shared<const std::string>(std::move(driver));
  names.callback = std::make_shared<const std::string>(std::move(callback));
  return names;
}

void Processes::complete(events::BoundException& exception, Process& process,
                         const RingRecord& record) {
  const Image& image = image_at(record.pid, process, record, exception);
  announce(record.pid, process, image, exception.time_ns);
  exception.program = image.program;
  exception.modules = image.modules;
  if (!record.thread_name.empty()) {
    if (process.thread_name == nullptr || *process.thread_name != record.thread_name) {
      process.thread_name = std::make_shared<const std::string>(record.thread_name);
    }
    exception.thread_name = process.thread_name;
  }
  for (const RingAnswer& answer : record.answers) {
    const Names& names = names_of(process, image, answer.routine, answer.builtin);
    exception.answers.push_back({names.driver, names.callback, answer.status, answer.edited});
  }
}

void Processes::take(RingRecord&& record) {
  const int64_t time_ns = std::visit([](const auto& it) { return it.time_ns; }, record.record);
  Process& process = find(record.pid);
  if (auto* const exception = std::get_if<events::BoundException>(&record.record)) {
    complete(*exception, process, record);
    sink_.accept(std::move(record.record));
    return;
  }
  read_image(record.pid, process, record.is_64bit);
  announce(record.pid, process, process.own, time_ns);
  if (record.routine != 0) {
    const Names& names = names_of(process, process.own, record.routine, false);
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
