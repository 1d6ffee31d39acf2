// SPDX-License-Identifier: Apache-2.0
//
// One pass over all code of an image: traps, calls of checking functions, accesses with an index.
#pragma once

#include <stdint.h>

#include <string_view>
#include <vector>

#include "scan/callees.h"
#include "scan/image.h"

namespace kebound::scan {

// A ud1 or ud2.
struct Trap {
  uint64_t address = 0;
  bool numbered = false;  // ud1 in clang's form, with `number`
  uint8_t number = 0;
};

struct CheckCall {
  uint64_t address = 0;
  CheckingFunction checking;
  std::string_view callee;  // valid as long as the image
};

// BOUND, and MPX's checks.
struct HardwareCheck {
  uint64_t address = 0;
  BoundSource source = BoundSource::X86Bound;
};

struct SweptFunction {
  CodeRange range;
  size_t accesses = 0;
};

// A jump, conditional or not, that leaves the function it is in.
struct OutwardJump {
  CodeRange from;  // the function
  uint64_t target = 0;
};

struct Sweep {
  std::vector<SweptFunction> functions;  // those of the image, and code between them
  std::vector<Trap> traps;
  std::vector<CheckCall> calls;
  std::vector<HardwareCheck> hardware;
  std::vector<OutwardJump> jumps;
  uint64_t code_bytes = 0;
  uint64_t unknown_bytes = 0;
};

[[nodiscard]] Sweep sweep(const Image& image);

}  // namespace kebound::scan
