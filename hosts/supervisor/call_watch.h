// SPDX-License-Identifier: Apache-2.0
//
// Checks that end in a call: finds the functions in the modules of each program, keeps breakpoints
// at them as modules come and go, and makes the stops bound exceptions. docs/calls.md. Tracing
// thread only.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "hosts/supervisor/bound_stop.h"
#include "hosts/supervisor/breakpoints.h"
#include "hosts/supervisor/tracee.h"
#include "trap/calls/call_event.h"

namespace kebound::supervisor {

class CallWatch {
 public:
  // `messages`: for the checks of a process, which it is the first to need; may be null.
  CallWatch(calls::FamilySet families, events::TrapMessages* messages)
      : families_(families), messages_(messages) {}
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  // The thread stands at the first instruction of a new program, or was found by attach.
  void program_entered(Tracee& stopped);
  // A fork copies the breakpoints with the memory; a vfork shares them.
  void forked(Process& child, const Process& parent) const;

  enum class Trap {
    NotOurs,  // SIGTRAP is the program's own
    Passed,   // the thread can go on, without the signal
    Event,    // a bound exception: `stop` has all about it but what the desk adds. The thread's
              // registers are those with which it goes on if nobody handles it.
  };
  [[nodiscard]] Trap take(Tracee& tracee, BoundStop& stop);

  // Before the thread is detached: its program gets its code back. True when the thread had just
  // run into a breakpoint: `signal` is not for it then.
  bool leave(Tracee& stopped, int signal);

 private:
  void rescan(Tracee& stopped);
  const WatchedFile& file_at(const std::string& path);
  void insert(Tracee& stopped, uint64_t address, const events::Mapping& mapping,
              const WatchedFile& file, const WatchedFunction& function);
  [[nodiscard]] const Breakpoint* breakpoint_hit(Tracee& tracee, user_regs_struct& user) const;
  [[nodiscard]] bool read_event(Tracee& tracee, const Breakpoint& breakpoint,
                                const x86::Registers& registers, calls::CallEvent& out);

  // As the file was when it was read.
  using FileKey = std::tuple<uint64_t, uint64_t, int64_t, int64_t, int64_t>;
  std::map<FileKey, WatchedFile> files_;
  std::set<std::string> complained_;
  const calls::FamilySet families_;
  events::TrapMessages* const messages_;
};

}  // namespace kebound::supervisor
