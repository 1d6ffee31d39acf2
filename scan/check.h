// SPDX-License-Identifier: Apache-2.0
//
// What a scan finds. Plain data.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "trap/x86/instruction.h"

namespace kebound::scan {

// Who made the check; the words of events' `source`.
enum class Source : uint8_t {
  X86Bound,        // the BOUND instruction
  X86Mpx,          // BNDCL, BNDCU, BNDCN
  ClangTrap,       // ud1 of -fsanitize-trap
  CheckTrap,       // ud2 behind a compare of an index with a limit
  Libcxx,          // a trap that debug information names as libc++'s
  Ubsan,           // a call of UBSan's runtime
  Libstdcxx,       // a call of libstdc++'s assertion
  LibcxxAbort,     // a call of libc++'s
  Fortify,         // a call of one of the C library's checking functions
  StackProtector,  // a call because of a changed canary
};
inline constexpr size_t kSourceCount = 10;
[[nodiscard]] const char* source_name(Source source);

// What is checked.
enum class Kind : uint8_t {
  ArrayBounds,
  ObjectSize,  // clang's type-mismatch: an object's size, also null and alignment
  PointerOverflow,
  Hardening,  // a library's own check of an argument
  Buffer,     // FORTIFY: the size of a buffer
  Stack,      // the canary behind a function's arrays
};
inline constexpr size_t kKindCount = 6;
[[nodiscard]] const char* kind_name(Kind kind);

// How much is known of index and limit when the check fails.
enum class Known : uint8_t {
  No,
  Likely,     // taken from the compare, an access with the index was not seen
  Certain,    // taken from the compare, and the index is what the access behind it uses
  Arguments,  // the failing function is told
};
[[nodiscard]] const char* known_name(Known known);

struct Place {
  std::string file;  // empty if unknown
  uint32_t line = 0;
};

struct Check {
  Source source = Source::CheckTrap;
  Kind kind = Kind::ArrayBounds;
  uint64_t address = 0;  // of the compare, if that was found; else of the trap or call
  uint64_t failure = 0;  // of the trap or call
  uint64_t branch = 0;   // of the branch between them, 0 if unknown
  size_t function = 0;   // index into Result::functions
  Known known = Known::No;
  bool resumable = false;  // a callback may correct the index and have the check executed again
  std::string why;         // why not known, or why not resumable; empty if both
  std::string index;       // "eax", "-0x14(rbp)"; empty if unknown
  std::string limit;       // the greatest index that passes: "9", "rdx", "below rdx"
  unsigned width = 0;      // bits of the compare
  std::string callee;      // of a call: its symbol, demangled
  std::string message;     // of a hardening check, as the library words it
  Place place;
};

struct FunctionResult {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;  // demangled; empty if unknown
  Place place;       // where it begins; known where `checks` or `accesses` matter
  size_t checks = 0;
  size_t accesses = 0;  // instructions that address memory with a variable index
};

struct ImageResult {
  std::string path;
  bool bits64 = true;
  bool position_independent = false;
  bool has_symbols = false;       // a full symbol table
  bool has_unwind_table = false;  //
  bool has_lines = false;         // debug information with at least one of the places
  bool unique_traps = false;      // its ud1 carry numbers instead of kinds
  uint64_t code_bytes = 0;
  uint64_t unknown_bytes = 0;  // of them: not understood as instructions
};

struct Result {
  ImageResult image;
  std::vector<FunctionResult> functions;  // by address; those without checks and accesses too
  std::vector<Check> checks;              // by address
  size_t other_traps = 0;                 // ud1 and ud2 that no bounds check was seen behind
};

}  // namespace kebound::scan
