// SPDX-License-Identifier: Apache-2.0
//
// BOUND (opcode 62 /r with a memory operand, 16- and 32-bit code only): pure decoding, and the
// decision whether a stop at one is a bound exception. Freestanding; safe on hostile bytes.
// Source: Intel SDM volume 2A, "BOUND"; AMD APM volume 3, "BOUND".
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/bound_event.h"
#include "trap/memory_reader.h"
#include "trap/x86/registers.h"

namespace kebound::x86 {

inline constexpr size_t kMaxInstructionLength = 15;

enum class CodeSize : uint8_t { Bits16, Bits32 };
enum class Segment : uint8_t { Es, Cs, Ss, Ds, Fs, Gs };

inline constexpr uint8_t kNoRegister = 0xff;

// One decoded BOUND.
struct BoundInstruction {
  uint8_t length = 0;          // prefixes included, 2..15
  uint8_t operand_bits = 0;    // 16 or 32
  uint8_t address_bits = 0;    // 16 or 32
  uint8_t index_register = 0;  // Gpr 0..7
  Segment segment = Segment::Ds;
  uint8_t base = kNoRegister;  // Gpr or kNoRegister
  uint8_t index = kNoRegister;
  uint8_t scale = 1;  // 1, 2, 4, 8
  int32_t displacement = 0;
};

// True when `code` (`size` readable bytes from the instruction pointer on) begins with a BOUND that
// a processor would execute; false for anything else: too short, over 15 bytes with its prefixes,
// register operand (EVEX), LOCK prefix. `out` is written only then. Context: anywhere.
[[nodiscard]] bool decode_bound(const uint8_t* code, size_t size, CodeSize code_size,
                                BoundInstruction& out) noexcept;

enum class BoundVerdict : uint8_t {
  NotBound,     // another instruction, or one that raises something else first
  Exceeded,     // the index is outside: the stop is a bound exception
  InRange,      // a BOUND that passes: the stop is something else (#GP, a forged signal)
  Unreadable,   // the bounds cannot be read: the stop is a fault on memory
  Unsupported,  // needs the base of a segment that is not known (LDT)
};

// The linear address of the lower bound, false if a segment's base is unknown or the segment is
// null (in 32-bit code, using a null segment raises #GP). Context: anywhere.
[[nodiscard]] bool effective_address(const BoundInstruction& instruction,
                                     const Registers& registers, uint32_t& linear) noexcept;

// Decides by decoding and evaluating again what a stop with these registers is; fills `event` when
// Exceeded, and leaves it alone otherwise. 32-bit code with a flat code segment (selector 0x23),
// anything else is NotBound or Unsupported. The caller has excluded page faults: a stop with a
// fault address is none of BOUND's. docs/decoding.md has the table of conditions.
// The event is Certain, with one exception: the index is below the lower bound and the upper one
// cannot be read, which processors never get to; then it is Likely and `upper` is the greatest
// possible.
// Context: anywhere, signal handlers included, as far as `memory` allows. Does not block.
[[nodiscard]] BoundVerdict evaluate_bound(const Registers& registers, MemoryReader memory,
                                          BoundEvent& event) noexcept;

// The same for an instruction that the caller has decoded, of a thread in flat 32-bit code.
[[nodiscard]] BoundVerdict evaluate_bound(const BoundInstruction& instruction,
                                          const Registers& registers, const MemoryReader& memory,
                                          BoundEvent& event) noexcept;

}  // namespace kebound::x86
