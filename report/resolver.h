// SPDX-License-Identifier: Apache-2.0
//
// Where renderers get names for addresses from.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/record.h"
#include "report/location.h"
#include "trap/x86/array_type.h"
#include "trap/x86/function_facts.h"

namespace kebound::report {

// Context: one thread.
class Resolver {
 public:
  virtual ~Resolver() = default;
  // What is at the instruction at `address`.
  virtual Location locate(const events::ModuleMap& modules, uint64_t address) = 0;
  // The arrays around `address`, as x86::ArrayLookup says.
  virtual std::optional<x86::ArrayNest> arrays_at(const events::ModuleMap& /*modules*/,
                                                  uint64_t /*address*/) {
    return std::nullopt;
  }
  // What is known of the function that begins at `address`.
  virtual std::optional<x86::FunctionFacts> function_at(const events::ModuleMap& /*modules*/,
                                                        uint64_t /*address*/) {
    return std::nullopt;
  }
  // The stack, innermost frame first, never empty.
  virtual std::vector<StackFrame> backtrace(const x86::Registers& registers,
                                            const events::StackSnapshot& stack,
                                            const events::ModuleMap& modules) = 0;
};

// In this process, on the calling thread.
[[nodiscard]] std::unique_ptr<Resolver> make_local_resolver(const std::string& debug_path);

// In a process of its own, which hostile files may crash or hang without harm to this one: a
// request that takes longer than `seconds` or kills the process has no names in its answer. Null if
// no process can be had. Context: as SymbolProcess::start().
[[nodiscard]] std::unique_ptr<Resolver> make_isolated_resolver(const std::string& debug_path,
                                                               unsigned seconds = 10);
// The same around any resolver, which is made in the other process.
using ResolverFactory = std::function<std::unique_ptr<Resolver>()>;
[[nodiscard]] std::unique_ptr<Resolver> make_isolated_resolver(ResolverFactory factory,
                                                               unsigned seconds);

}  // namespace kebound::report
