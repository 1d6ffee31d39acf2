// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <unordered_set>

#include "core/livelock.h"
#include "events/record.h"
#include "hosts/posix/module_map.h"
#include "hosts/posix/process_facts.h"
#include "hosts/supervisor/breakpoints.h"
#include "hosts/supervisor/check_traps.h"
#include "hosts/supervisor/target_memory.h"
#include "hosts/supervisor/user_window.h"
#include "trap/x86/registers.h"

namespace kebound::supervisor {

// A traced process: what its threads share. Tracing thread only.
struct Process {
  explicit Process(pid_t process_id) : pid(process_id), memory(process_id) {}

  // What is known about the checks in its code.
  CheckTraps& known_checks(events::TrapMessages* messages) {
    if (check_traps == nullptr) {
      check_traps = std::make_unique<CheckTraps>(pid, is_64bit, memory, modules, messages);
    }
    return *check_traps;
  }

  pid_t pid;
  bool is_64bit = false;
  events::SharedName program;
  UserSpace space;
  TargetMemory memory;
  posix::ModuleMapReader modules;
  std::unique_ptr<CheckTraps> check_traps;       // made at the first one
  std::unordered_set<uint64_t> captured_places;  // instruction pointers whose stack was recorded
  posix::SignalMasks masks;                      // as last seen
  std::shared_ptr<Breakpoints> breakpoints;  // shared by those that share memory; null: none yet
};

// A traced thread. Tracing thread only; kept alive by a callback that still runs on its behalf.
struct Tracee {
  pid_t tid = 0;
  std::shared_ptr<Process> process;
  events::SharedName name;
  LivelockGuard<x86::Registers> livelock;
  uint64_t exceptions = 0;
  bool in_callback = false;  // stopped, a callback decides
  int held_signal = 0;       // what it gets meanwhile if nobody handles it
  bool gone =
      false;  // no ptrace request makes sense any more; the number may be another thread's by now
};

}  // namespace kebound::supervisor
