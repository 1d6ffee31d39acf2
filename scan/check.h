// SPDX-License-Identifier: Apache-2.0
//
// What a scan finds. Plain data.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "trap/bound_event.h"

namespace kebound::scan {

// How much is known of index and limit when the check fails.
enum class Known : uint8_t {
  No,
  Likely,     // from the compare; an access with this index was not seen
  Certain,    // from the compare, or from the instruction itself
  Arguments,  // the function that is called is told
};
[[nodiscard]] const char* known_name(Known known);

// A place in the source.
struct Place {
  std::string file;  // empty if unknown
  uint32_t line = 0;
};

struct Check {
  BoundSource source = BoundSource::CheckTrap;
  CheckKind kind = CheckKind::ArrayBounds;
  uint64_t address = 0;  // of the compare, if that was found; else of the trap or call
  uint64_t failure = 0;  // of the trap or call
  uint64_t branch = 0;   // of the branch between them, 0 if unknown
  size_t function = 0;   // index into Result::functions
  Known known = Known::No;
  bool resumable = false;     // a callback may correct the index and have the check executed again
  std::string why;            // why index and limit are not known, or else why it is not resumable
  std::string index;          // "eax", "[rbp-0x14]"; empty if unknown
  std::string limit;          // "9", "rdx"; empty if unknown
  bool limit_passes = false;  // an index that is the limit is allowed
  unsigned width = 0;         // bits of the compare, 0 if unknown
  std::string callee;         // of a call: what is called, demangled
  std::string message;        // of a library's check that debug information words
  Place place;
};

struct FunctionResult {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;      // demangled; empty if unknown
  Place place;           // of its beginning; looked up only for functions that are listed
  size_t checks = 0;     //
  size_t accesses = 0;   // instructions that address memory with a variable index
  bool guarded = false;  // one of the checks is of an index, a size or an argument
};

struct ImageResult {
  std::string path;
  bool bits64 = true;
  bool position_independent = false;
  bool has_symbols = false;  // a full symbol table, its own or a debug file's
  bool has_unwind_table = false;
  bool has_lines = false;     // debug information with at least one of the places
  bool unique_traps = false;  // its ud1 carry numbers instead of kinds
  uint64_t code_bytes = 0;
  uint64_t unknown_bytes = 0;  // of them: not understood as instructions
};

struct Result {
  ImageResult image;
  std::vector<FunctionResult> functions;  // by address; those without checks and accesses, too
  std::vector<Check> checks;              // by address
  size_t other_traps = 0;                 // ud1 and ud2 that no bounds check was seen behind
};

// Indexes of the functions that index memory without being guarded, most accesses first.
[[nodiscard]] std::vector<size_t> unguarded_functions(const Result& result);

}  // namespace kebound::scan
