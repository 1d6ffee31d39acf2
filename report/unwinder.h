// SPDX-License-Identifier: Apache-2.0
//
// Backtraces from recorded state: registers, a copy of the stack, and the map of the modules.
// Nothing is asked of the target, which has long gone on.
#pragma once

#include <stdint.h>

#include <list>
#include <memory>
#include <vector>

#include "events/record.h"
#include "report/symbolizer.h"

namespace kebound::report {

inline constexpr size_t kMaxStackFrames = 64;

// Not thread-safe: the writer's own.
class Unwinder {
 public:
  // `symbolizer` opens the files; it must outlive this.
  explicit Unwinder(Symbolizer& symbolizer);
  Unwinder(const Unwinder&) = delete;
  Unwinder& operator=(const Unwinder&) = delete;
  ~Unwinder();

  // The code addresses of the stack, innermost first: registers.rip, then return addresses (a frame
  // that a signal interrupted is exact; `exact[i]` tells). Call frame information first, then frame
  // pointers, at least the one frame that is certain, at most kMaxStackFrames. Every address but
  // the first lies in an executable mapping.
  struct Backtrace {
    std::vector<uint64_t> addresses;
    std::vector<bool> exact;
  };
  [[nodiscard]] Backtrace unwind(const x86::Registers& registers,
                                 const events::StackSnapshot& stack,
                                 const events::ModuleMap& modules);

 private:
  class Session;
  Session* session_of(const events::ModuleMap& modules);

  Symbolizer& symbolizer_;
  std::list<std::unique_ptr<Session>> sessions_;  // most recently used first
};

}  // namespace kebound::report
