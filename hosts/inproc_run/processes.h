// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "events/record.h"
#include "hosts/inproc_run/ring_record.h"
#include "hosts/posix/module_map.h"

namespace kebound::inproc_run {

// What /proc says of the processes whose events come out of the ring. They ran on meanwhile, and
// may be gone: the mappings of a process that is gone, or that has become another program, are
// looked for among those seen before, then made from what the record itself says. They are used
// only where the failing instruction's bytes are in the file, and the file is the build that the
// record names, if it names one. Of a build that is no more only the place in it is known. Context:
// one thread.
class Processes {
 public:
  // `policy`: what the built-in callback does, which is its name.
  Processes(events::Sink& sink, std::string policy) : sink_(sink), policy_(std::move(policy)) {}
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  // The first program: it has just been executed. `fallback` is its path should it be gone already.
  void first(pid_t pid, const std::string& fallback, int64_t time_ns);
  // Looks at its mappings while it lives.
  void refresh(pid_t pid);
  // Completes a record and gives it to the sink; announces its process before.
  void take(RingRecord&& record);
  // The process has ended, and all its records have been taken.
  void ended(pid_t pid, bool signaled, int status, int64_t time_ns);

 private:
  struct Names {
    events::SharedName driver;
    events::SharedName callback;
  };
  // One program in one address space.
  struct Image {
    events::SharedName program;
    bool is_64bit = false;
    std::shared_ptr<const events::ModuleMap> modules;
  };
  // Where an instruction is, and what the record said of that.
  struct Place {
    Image image;
    std::string named;
    ImageId id;
  };
  struct Process {
    posix::ModuleMapReader reader;
    Image own;                                   // as last read
    std::unordered_map<uint64_t, Place> places;  // by instruction pointer
    events::SharedName thread_name;              // of the last record: often the next one's, too
    bool announced = false;
    events::SharedName announced_program;
    bool announced_64bit = false;
    std::map<uint64_t, Names> callbacks;
  };

  Process& find(pid_t pid);
  void read_image(pid_t pid, Process& process, bool is_64bit);
  [[nodiscard]] const Image& image_at(pid_t pid, Process& process, const RingRecord& record,
                                      const events::BoundException& exception);
  [[nodiscard]] const Names& names_of(Process& process, const Image& image, uint64_t routine,
                                      bool builtin);
  // Once for each build: the file that was there is no more.
  void say_changed(const RingRecord& record, const events::BoundException& exception);
  void complete(events::BoundException& exception, Process& process, const RingRecord& record);
  void announce(pid_t pid, Process& process, const Image& image, int64_t time_ns);
  void remember(const Image& image);

  events::Sink& sink_;
  std::string policy_;
  std::unordered_map<pid_t, std::unique_ptr<Process>> processes_;
  std::deque<Image> seen_;  // newest first
  std::set<std::string> said_changed_;
};

}  // namespace kebound::inproc_run
