// SPDX-License-Identifier: Apache-2.0
//
// Where renderers get names for addresses from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "events/record.h"
#include "report/location.h"

namespace kebound::report {

// Context: one thread.
class Resolver {
 public:
  virtual ~Resolver() = default;
  // What is at the instruction at `address`.
  virtual Location locate(const events::ModuleMap& modules, uint64_t address) = 0;
  // The stack, innermost frame first, never empty.
  virtual std::vector<StackFrame> backtrace(const x86::Registers& registers,
                                            const events::StackSnapshot& stack,
                                            const events::ModuleMap& modules) = 0;
};

// In this process, on the calling thread.
[[nodiscard]] std::unique_ptr<Resolver> make_local_resolver(const std::string& debug_path);

}  // namespace kebound::report
