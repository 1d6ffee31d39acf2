// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/user.h>

#include <memory>
#include <optional>
#include <string>

#include "hosts/driver/policy.h"
#include "hosts/supervisor/tracee.h"
#include "nt/facility.h"
#include "trap/bound_event.h"
#include "trap/x86/registers.h"
#include "trap/x86/resume.h"

namespace kebound::supervisor {

// What a fiber or a callback thread works on.
struct DriverTask {
  const UserSpace* space = nullptr;  // whose memory the driver code sees; null: nobody's
  void (*ended)(DriverTask& task) =
      nullptr;  // called on the tracing thread after a fiber's task has ended
};

class ExceptionDesk;

// One bound exception between the thread's stop and its resumption.
struct BoundStop : DriverTask {
  ExceptionDesk* desk = nullptr;
  std::shared_ptr<Tracee> tracee;
  bool is_call = false;   // the check called a function that the thread is in: CallWatch
  int signal = 0;         // what the thread gets if nobody handles the exception
  user_regs_struct user;  // as the kernel gave them
  x86::Registers before;  // as callbacks see them: rip is event.ip
  BoundEvent event;
  x86::Recovery recovery;
  std::string detail;                      // what the check says of itself
  std::optional<int64_t> corrected_index;  // as nt::Thread's, after the search
  uint8_t code[15];
  uint8_t code_size = 0;
  KTRAP_FRAME frame;
  nt::AnswerLog answers;
  DispatchOutcome outcome;
  driver::Advice advice;
  // For the record, taken while the thread stands still; null without a sink.
  std::shared_ptr<const events::ModuleMap> modules;
  std::shared_ptr<const events::StackSnapshot> stack;
};

}  // namespace kebound::supervisor
