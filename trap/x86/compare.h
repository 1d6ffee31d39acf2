// SPDX-License-Identifier: Apache-2.0
//
// What a compare and a condition mean as a bounds check, and what the compare comes to with given
// registers. Freestanding.
#pragma once

#include <stdint.h>

#include "trap/memory_reader.h"
#include "trap/x86/instruction.h"
#include "trap/x86/registers.h"

namespace kebound::x86 {

// The flags a compare sets.
inline constexpr uint64_t kCarryFlag = 1u << 0;
inline constexpr uint64_t kParityFlag = 1u << 2;
inline constexpr uint64_t kAdjustFlag = 1u << 4;
inline constexpr uint64_t kZeroFlag = 1u << 6;
inline constexpr uint64_t kSignFlag = 1u << 7;
inline constexpr uint64_t kOverflowFlag = 1u << 11;

// Condition codes as Jcc has them; the lowest bit inverts.
enum Condition : uint8_t {
  kBelow = 2,
  kAboveEqual = 3,
  kEqual = 4,
  kNotEqual = 5,
  kBelowEqual = 6,
  kAbove = 7
};

[[nodiscard]] bool condition_holds(uint8_t condition, uint64_t rflags) noexcept;

[[nodiscard]] constexpr uint64_t width_mask(unsigned bits) noexcept {
  return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

[[nodiscard]] constexpr int64_t sign_extend(uint64_t value, unsigned bits) noexcept {
  const unsigned unused = bits == 0 || bits >= 64 ? 0 : 64 - bits;
  return static_cast<int64_t>(value << unused) >> unused;
}

// Where an operand in memory is.
[[nodiscard]] uint64_t operand_address(const Operand& operand, const Registers& registers,
                                       CodeMode mode) noexcept;

// The bits of an operand, zero-extended. False if it is in memory that cannot be read.
[[nodiscard]] bool operand_value(const Operand& operand, const Registers& registers, CodeMode mode,
                                 const MemoryReader& memory, uint64_t& value) noexcept;

// How a compare and the condition under which it leads to the trap are a bounds check: "trap if the
// index is greater than the limit, as unsigned numbers".
struct BoundShape {
  enum class Limit : uint8_t { Operand, Constant };
  uint8_t index_operand = 0;
  Limit limit = Limit::Operand;
  uint8_t limit_operand = 1;   // Operand
  bool limit_allowed = false;  // Operand: the limit itself passes
  bool equal = false;          // only the limit itself fails, see equal_shape
  uint64_t greatest = 0;       // Constant: the greatest index that passes
};

// False for what is no such check: other conditions (signed ones, equality with anything but 0),
// other instructions, a constant as index, a constant limit that no array has.
[[nodiscard]] bool bound_shape(const Instruction& compare, uint8_t condition,
                               BoundShape& shape) noexcept;

// "Trap if the index is the limit": what compilers make of the above where the index counts up to
// the limit in steps of one. Which operand counts, where both may, is not known: the first one is
// said.
[[nodiscard]] bool equal_shape(const Instruction& compare, uint8_t condition,
                               BoundShape& shape) noexcept;

// A compare, executed on saved registers.
struct CompareResult {
  uint64_t values[2] = {};  // of the operands, before a Sub
  uint64_t flags = 0;
  uint64_t known_flags = 0;  // the flags that the instruction defines
};
enum class Evaluation : uint8_t { Done, NotACompare, MemoryUnreadable };

// Cmp, Test and Sub; of a Sub whose result is still in its register (the operands are calculated
// back). Context: anywhere.
[[nodiscard]] Evaluation evaluate_compare(const Instruction& compare, const Registers& registers,
                                          CodeMode mode, const MemoryReader& memory,
                                          CompareResult& out) noexcept;

}  // namespace kebound::x86
