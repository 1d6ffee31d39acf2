// SPDX-License-Identifier: Apache-2.0
//
// Functions, files and lines of an image's code, by report/'s symbolizer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "events/record.h"
#include "report/resolver.h"
#include "scan/check.h"
#include "scan/image.h"

namespace kebound::scan {

class Names {
 public:
  // `path`: the file that `image` was read from; the other process that reads its debug
  // information opens it again.
  Names(const Image& image, const std::string& path);

  // The functions at `address`, innermost first; empty if nothing is known.
  [[nodiscard]] std::vector<report::SourceFrame> frames_at(uint64_t address);
  // What hardened libc++ says of the trap at `address`; empty if it is none of its traps.
  [[nodiscard]] std::string hardening_message_at(uint64_t address);

 private:
  events::ModuleMap map_;
  std::unique_ptr<report::Resolver> resolver_;
};

// The line that people look for: not one within the C++ library or the system's headers where code
// that uses them is known.
[[nodiscard]] Place place_of(const std::vector<report::SourceFrame>& frames);

}  // namespace kebound::scan
