// SPDX-License-Identifier: Apache-2.0
//
// The one shape in which every bounds failure reaches callbacks, policies and reports: what BOUND would
// have raised, a fault at the check.
#pragma once

#include <stdint.h>

namespace kebound {

// Where a bound event comes from. The names that appear in reports are in source_name().
enum class BoundSource : uint8_t {
  X86Bound = 1,   // #BR by the BOUND instruction
  ClangTrap = 2,  // ud1 of -fsanitize-trap=bounds: only that a check failed, and where
  X86Mpx = 10,    // #BR by a bound check of MPX
};

enum class Confidence : uint8_t {
  Unknown,  // the field is not known
  Likely,   // inferred, several explanations were possible
  Certain,  // read off the instruction and the registers
};

[[nodiscard]] constexpr const char* source_name(BoundSource source) noexcept {
  switch (source) {
    case BoundSource::X86Bound: return "x86-bound";
    case BoundSource::ClangTrap: return "clang-trap";
    case BoundSource::X86Mpx: return "x86-mpx";
  }
  return "unknown";
}

[[nodiscard]] constexpr const char* confidence_name(Confidence confidence) noexcept {
  switch (confidence) {
    case Confidence::Unknown: return "unknown";
    case Confidence::Likely: return "likely";
    case Confidence::Certain: return "certain";
  }
  return "unknown";
}

struct BoundEvent {
  BoundSource source = BoundSource::X86Bound;
  Confidence confidence = Confidence::Unknown;
  uint8_t instruction_length = 0;  // bytes from ip to the next instruction
  uint8_t index_register = 0;      // x86::Gpr that holds the index
  uint8_t index_width = 0;         // bits of the comparison: 16 or 32
  uint64_t ip = 0;                 // of the failing check, user virtual address
  int64_t index = 0;
  int64_t lower = 0;               // both bounds are inclusive
  int64_t upper = 0;
  uint64_t bounds_address = 0;     // where the pair of bounds was read, 0 if nowhere
};

}  // namespace kebound
