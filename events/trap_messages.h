// SPDX-License-Identifier: Apache-2.0
//
// What hosts cannot find out by themselves about a trap: what a compiler left in the debug
// information, as words or as the types of variables. Who puts the program together supplies it.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>

#include "events/record.h"
#include "trap/x86/array_type.h"
#include "trap/x86/function_facts.h"

namespace kebound::events {

class TrapMessages {
 public:
  virtual ~TrapMessages() = default;
  // In words, which bounds check of a library the trap at `address` belongs to; empty where it is
  // none, or nothing is known. May take as long as reading the debug information of a file: hosts
  // ask once for each trap. Context: one thread at a time.
  [[nodiscard]] virtual std::string at(const ModuleMap& modules, uint64_t address) = 0;
  // The arrays around `address`, as x86::ArrayLookup says. May take as long.
  [[nodiscard]] virtual std::optional<x86::ArrayNest> arrays_at(const ModuleMap& modules,
                                                                uint64_t address) = 0;
  // What is known of the function that begins at `address`. May take as long.
  [[nodiscard]] virtual std::optional<x86::FunctionFacts> function_at(const ModuleMap& modules,
                                                                      uint64_t address) = 0;
};

}  // namespace kebound::events
