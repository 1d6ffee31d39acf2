// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <string>

#include "events/trap_messages.h"
#include "hosts/posix/module_map.h"
#include "include/kebound/abi.h"

namespace kebound::inproc_run {

// Answers what the writers of the ring ask (abi.h). The question is anybody's: only what it asks
// about processes of this run is looked up. Context: the thread that reads the ring.
class RingAnswers {
 public:
  // `messages` null: nothing is answered, and the writers know it.
  RingAnswers(kebound_ring_header* ring, events::TrapMessages* messages);

  // True if something was asked.
  bool answer();

 private:
  void end_what_was_left(uint32_t state);
  [[nodiscard]] std::string find(pid_t pid, uint32_t subject, uint64_t address);

  kebound_ring_question& question_;
  events::TrapMessages* const messages_;
  // Of the process that asked last: a check that is new asks several times.
  posix::ModuleMapReader modules_;
  pid_t asker_ = 0;
  uint32_t seen_ = 0;
  int64_t seen_since_ns_ = 0;
};

}  // namespace kebound::inproc_run
