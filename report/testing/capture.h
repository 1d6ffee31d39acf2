// SPDX-License-Identifier: Apache-2.0
//
// Runs a fixture under ptrace until it faults and records what the supervisor would.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "events/record.h"

namespace kebound::report::testing {

struct Capture {
  bool ok = false;
  std::string why;
  int signal = 0;
  x86::Registers registers;
  std::shared_ptr<events::ModuleMap> modules;
  events::StackSnapshot stack;
};

[[nodiscard]] Capture capture_fault(const std::vector<std::string>& command);

}  // namespace kebound::report::testing
