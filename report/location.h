// SPDX-License-Identifier: Apache-2.0
//
// What a code address turned out to be. Plain data, so that it can be made in another process.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

namespace kebound::report {

// One source-level function at an address. Unknown parts are empty or 0.
struct SourceFrame {
  std::string function;  // demangled: "pick" for C, "lib::pick(int)" for C++
  std::string file;  // as the compiler recorded it, made absolute with the compilation directory
  uint32_t line = 0;
  bool inlined = false;  // its code is part of the next frame's
};

struct Location {
  std::string module;               // path as the target sees it, "[vdso]"; empty: no file there
  std::optional<uint64_t> offset;   // the file's own address of the code, as addr2line takes it
  std::vector<SourceFrame> frames;  // innermost first; empty when nothing is known
  // What a trap says of itself in the debug information (clang's __builtin_verbose_trap, hardened
  // libc++): "Bounds: vector[] index out of bounds". Mostly empty.
  std::string trap_message = {};
  std::string build_id = {};        // of the module, hexadecimal digits; empty: it has none
};

struct StackFrame {
  uint64_t pc = 0;  // of the instruction (frame 0), else the return address
  Location location;
};

}  // namespace kebound::report
