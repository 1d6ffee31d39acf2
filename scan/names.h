// SPDX-License-Identifier: Apache-2.0
//
// What debug information says of an image, by report/'s symbolizer: functions, files and lines of
// its code, and what the recovery of a check asks.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "events/record.h"
#include "report/resolver.h"
#include "scan/check.h"
#include "scan/image.h"

namespace kebound::scan {

// Context: any thread; one is answered at a time.
class Names {
 public:
  // `path`: the file that `image` was read from; the other process that reads its debug
  // information opens it again.
  Names(const Image& image, const std::string& path);

  // The functions at `address`, innermost first; empty if nothing is known.
  [[nodiscard]] std::vector<report::SourceFrame> frames_at(uint64_t address);
  // What hardened libc++ says of the trap at `address`; empty if it is none of its traps.
  [[nodiscard]] std::string hardening_message_at(uint64_t address);
  // As x86::ArrayLookup and x86::FunctionFactsLookup say.
  [[nodiscard]] std::optional<x86::ArrayNest> arrays_at(uint64_t address);
  [[nodiscard]] std::optional<x86::FunctionFacts> function_at(uint64_t address);

 private:
  [[nodiscard]] report::Location locate(uint64_t address);

  std::mutex asking_;
  events::ModuleMap map_;
  std::unique_ptr<report::Resolver> resolver_;
};

// The line that people look for: not one within the C++ library or the system's headers where code
// that uses them is known.
[[nodiscard]] Place place_of(const std::vector<report::SourceFrame>& frames);

}  // namespace kebound::scan
