// SPDX-License-Identifier: Apache-2.0
//
// The instructions with which compilers end a failed check. All raise #UD with the instruction
// pointer at the trap; clang's UBSan traps carry the kind of the check in the instruction.
// Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kebound::x86 {

enum class CompilerTrapKind : uint8_t {
  Ud2,       // 0f 0b: __builtin_trap and gcc's checks; what was checked cannot be told from it
  UbsanUd1,  // [67] 0f b9 40 ib: clang's -fsanitize-trap, `check` is its kind
};

// What a check of clang's was about, as the immediate of ud1 carries it: the checks that bounds
// have to do with. clang 14 to 19 agree on the numbers.
inline constexpr uint8_t kUbsanOutOfBounds = 0x12;      // -fsanitize=bounds, array-bounds
inline constexpr uint8_t kUbsanPointerOverflow = 0x13;  // -fsanitize=pointer-overflow
inline constexpr uint8_t kUbsanTypeMismatch = 0x16;     // object-size, but also null and alignment

struct CompilerTrap {
  CompilerTrapKind kind = CompilerTrapKind::Ud2;
  uint8_t length = 0;  // bytes
  uint8_t check = 0;   // UbsanUd1 only
};

// True when `code` (`size` readable bytes from the instruction pointer on) begins with one of the
// trap instructions; `out` is written only then. Context: anywhere.
[[nodiscard]] bool decode_compiler_trap(const uint8_t* code, size_t size,
                                        CompilerTrap& out) noexcept;

// Whether the trap says by itself that an index was outside its array. A pointer overflow or a type
// mismatch may be another mistake; ud2 says nothing. A program compiled with -ubsan-unique-traps
// numbers its traps instead, and what looks like a kind is none: the caller knows the program.
[[nodiscard]] constexpr bool is_array_bounds_check(const CompilerTrap& trap) noexcept {
  return trap.kind == CompilerTrapKind::UbsanUd1 && trap.check == kUbsanOutOfBounds;
}

}  // namespace kebound::x86
