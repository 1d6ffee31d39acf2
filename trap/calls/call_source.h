// SPDX-License-Identifier: Apache-2.0
//
// Checks that end in a call, not in a trap: the functions that compilers and libraries call when an
// index or a size is wrong. Which they are, and what their arguments mean. Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/bound_event.h"

namespace kebound::calls {

// How the arguments say what failed.
enum class Shape : uint8_t {
  OutOfBounds,      // (OutOfBoundsData*, index): UBSan
  PointerOverflow,  // (PointerOverflowData*, base, result): UBSan
  TypeMismatch,     // (TypeMismatchData*, pointer): UBSan; null and alignment are no bounds
  Silent,           // nothing is said: UBSan's minimal runtime, __stack_chk_fail
  GlibcxxAssert,    // (file, line, function, condition)
  VerboseAbort,     // (format, ...): libc++
  Count,            // fortified: a count of elements against the size of the object
  String,           // fortified: the length of a string against the size of the object
  Concatenation,    // fortified: the same behind a string that is there
  Descriptor,       // fortified: a file descriptor against FD_SETSIZE
  Printed,          // fortified: the length of what is printed against the size of the object
};

// Families, as they are switched on and off.
enum class Family : uint8_t { Ubsan, Libstdcxx, Libcxx, Fortify, StackProtector };
inline constexpr unsigned kFamilies = 5;
[[nodiscard]] const char* family_name(Family family) noexcept;

using FamilySet = uint8_t;  // a bit for each
[[nodiscard]] constexpr FamilySet family_bit(Family family) noexcept {
  return static_cast<FamilySet>(1u << static_cast<unsigned>(family));
}
inline constexpr FamilySet kAllFamilies = (1u << kFamilies) - 1;

// Parses "all", "none" or names with commas between. False, and `out` untouched, where a name is
// none. Context: anywhere.
[[nodiscard]] bool parse_families(const char* text, FamilySet& out) noexcept;

inline constexpr uint8_t kNoArgument = 0xff;

// Which programs have the function with these arguments.
enum class Class : uint8_t { Both, Only32, Only64 };

struct CallSource {
  const char* symbol = nullptr;
  Family family = Family::Ubsan;
  Shape shape = Shape::Silent;
  CheckKind check = CheckKind::Unknown;
  bool returns = false;  // to the program, which then goes on as if the check had passed
  // Of fortified functions: numbers of arguments, each a machine word.
  uint8_t object = kNoArgument;   // where the bytes go
  uint8_t count = kNoArgument;    // Count: elements; String, Concatenation: the source string
  uint8_t size = kNoArgument;     // of the object
  uint8_t element = 1;            // Count: bytes of an element
  bool size_in_elements = false;  // Count: `size` is not in bytes
  uint8_t factor = kNoArgument;   // Count: the bytes of an element are an argument
  uint8_t limit = kNoArgument;    // Concatenation: most characters that are taken
  Class only = Class::Both;

  [[nodiscard]] constexpr bool is_for(bool is_64bit) const noexcept {
    return only == Class::Both || (only == Class::Only64) == is_64bit;
  }
};

// All of them, for both classes.
[[nodiscard]] const CallSource* call_sources(size_t& count) noexcept;

// The source of that name in programs of the class, null for none. Context: anywhere.
[[nodiscard]] const CallSource* find_call_source(const char* symbol, size_t length,
                                                 bool is_64bit) noexcept;

}  // namespace kebound::calls
