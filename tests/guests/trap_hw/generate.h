// SPDX-License-Identifier: Apache-2.0
//
// BOUND instructions and register contents to execute, most of them aimed at memory that is there.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tests/guests/trap_hw/trial.h"

namespace kebound::trap_hw {

// xorshift64*: the same trials on every run.
class Random {
 public:
  explicit Random(uint64_t seed) noexcept : state_(seed | 1) {}
  uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1d;
  }
  uint32_t below(uint32_t limit) noexcept { return static_cast<uint32_t>((next() >> 32) % limit); }
  bool one_in(uint32_t n) noexcept { return below(n) == 0; }

 private:
  uint64_t state_;
};

// Memory the trials aim at. All addresses are fixed, so that what is not listed is known to be
// unmapped between 1 and 2 GiB.
inline constexpr uint32_t kCodePage = 0x30000000;  // the page behind it is missing
inline constexpr uint32_t kData = 0x10000000;      // also what GS reaches by wrapping around
inline constexpr uint32_t kDataSize = 0x10000;
inline constexpr uint32_t kFsData = kFsBase;  // as far as 16-bit offsets reach, and a bit
inline constexpr uint32_t kFsDataSize = 0x20000;
inline constexpr uint32_t kNothing = 0x50000000;
inline constexpr uint32_t kLowData =
    0x10000 - 0x1000;  // 16-bit offsets of flat segments; may be absent

struct Arena {
  uint8_t* code = nullptr;
  bool has_low_data = false;
};

// Maps it all. False, with a message, when the fixed addresses cannot be had.
bool map_arena(const Machine& machine, Arena& arena) noexcept;

struct Shape {
  bool operand16 = false;
  bool address16 = false;
  uint8_t modrm = 0;  // mod 0, 1 or 2
  uint8_t sib = 0;
};

// What a trial is meant to be; what it is, the processor says.
struct Trial {
  uint8_t code[32] = {};
  uint32_t size = 0;
  x86::Registers registers;  // rip is set by place()
  bool lock = false;
  bool crosses_offset_end = false;  // the upper bound's offset wraps: processors may differ
};

// A trial of this shape with otherwise random prefixes, registers and bounds.
Trial generate(Random& random, const Machine& machine, const Arena& arena,
               const Shape& shape) noexcept;

Shape random_shape(Random& random) noexcept;

// Puts the code into the code page, followed by int3: at its start, or with its last `at_end` bytes
// (if not 0) directly before the missing page and the rest cut off.
void place(const Arena& arena, Trial& trial, uint32_t at_end) noexcept;

}  // namespace kebound::trap_hw
