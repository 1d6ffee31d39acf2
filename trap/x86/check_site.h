// SPDX-License-Identifier: Apache-2.0
//
// What the code says about one compare that leads to a trap: whether it compares an index with a
// limit, where else the index is kept, and whether the check can be executed again with another
// index. Plain data that stays true as long as the code does; made once and kept. Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/x86/compare.h"
#include "trap/x86/flow_analysis.h"
#include "trap/x86/trap_site.h"

namespace kebound::x86 {

// How sure it is that the compared number is the index of an access.
enum class IndexProof : uint8_t {
  None,       // nothing behind the check uses it to address memory
  Pointer,    // it is an address itself
  Bytes,      // it is the offset of an access in bytes, of elements that are longer
  Address,    // an address is calculated from it, no access was seen
  Structure,  // it addresses memory, with a factor greater than the size of the access
  Element,    // it addresses memory, with a factor that is the size of the access
};

// What a compiler may know about the number beside the check. With that it may have made another
// check of the one in the source: "k + 3 < 10" becomes "k < 7" where k + 3 does not overflow.
enum class IndexRange : uint8_t {
  Unknown,  // nothing
  Given,    // perhaps: a parameter in a register, and clang may have seen all callers
  Stored,   // perhaps: a variable at a fixed address, and clang may have seen all that is stored
  Widened,  // perhaps: 32 bits in 64-bit code, where no multiple of it overflows
  Known,    // something
  Counted,  // it counts a loop, or is one of several numbers
};
inline constexpr IndexRange kLastPerhaps = IndexRange::Widened;

// A place that holds the index when the check fails.
struct StaticPlace {
  bool in_memory = false;
  uint8_t reg = 0;              // in_memory: the base of its address, or kNoRegister
  uint8_t bits = 0;             // the low bits of it that are the index'
  uint8_t size = 0;             // in_memory: bytes
  Rest rest = Rest::Unrelated;  // how the others follow
  int64_t displacement = 0;     // in_memory
};

// The code around a check, to notice that it is another one.
inline constexpr size_t kMaxFingerprint = 128;
[[nodiscard]] uint64_t fingerprint(const uint8_t* bytes, size_t size) noexcept;

struct CheckSite {
  uint64_t branch = 0;
  uint64_t compare = 0;
  BoundShape shape;
  // Fewer than the compare has where the rest is known to be zero.
  uint8_t index_bits = 0;
  IndexProof proof = IndexProof::None;
  // The proving access has a displacement: index + k is possible.
  bool displaced = false;
  IndexRange range = IndexRange::Unknown;
  // What debug information says (function_facts.h).
  bool by_facts = false;  // the compiler knew nothing about the number, for all that can be seen
  bool folds = false;     // the check was optimized like code
  // Several elements are accessed behind this one check: it may be two checks that were merged.
  bool merged = false;
  // What was made of the compared number by other means than sums and products addresses memory: it
  // may be the index, k / 8 of k.
  bool unlinear = false;
  // What the number is multiplied by is an even number of what is accessed.
  bool even = false;
  // Only 0 passes: what else was calculated from the number may be gone behind that.
  bool only_zero = false;
  // The compared number is a sum with a constant: what could be moved from it to the limit was.
  bool computed = false;
  // Something is accessed that moves in step with the compared number, by an address that was not
  // calculated from it: where the array begins is not seen then. `by_step`: nothing else is the
  // proof.
  bool in_step = false;
  bool by_step = false;
  bool skips = false;     // the number counts by more than one: of two limits both may be the same
  bool unfolded = false;  // the limit is one that no compiler has moved anything to
  // What the arrays say that are accessed (array_proof.h).
  bool by_array = false;         // the compared number is the index
  bool likely_by_array = false;  // it is, if the condition is a check, and the one that failed
  bool another_array = false;    // the array that is checked is another one
  // The compared number is the index times this, an offset in bytes; the index is in `quotient`.
  uint8_t divisor = 1;
  StaticPlace quotient;
  uint64_t access = 0;         // the access that the check guards, 0 if none is known
  bool read_unsigned = false;  // the program zero-extends the index behind the check
  bool unoptimized = false;    // made without optimization, by the looks of it
  int32_t factor = 0;          // bytes between elements, as the proving access has it
  // None: the check may be executed again.
  Doubt resume_doubt = Doubt::None;
  uint64_t fingerprint_begin = 0;
  uint64_t fingerprint = 0;
  uint8_t fingerprint_size = 0;
  uint8_t place_count = 0;
  StaticPlace places[kMaxIndexPlaces];
};

// How sure index and limits are that `site` gives, if the branch was certainly that one: what the
// code alone decides. `clang`: the trap is a ud1, so that the compiler is known.
[[nodiscard]] Confidence static_confidence(const CheckSite& site, bool clang) noexcept;
// That the compared number is checked for being an index, or what the index follows from.
[[nodiscard]] bool is_bounds_check(const CheckSite& site, bool clang) noexcept;
// Why not more, where that is Unknown.
[[nodiscard]] Doubt static_doubt(const CheckSite& site) noexcept;

struct CheckRoom;  // the room for the analysis, in index_use.h

// Analyses the check of `edge`, in the function that `code` has been loaded with. `shape` is that
// of the edge's compare. Context: anywhere.
void analyze_check(const TrapEdge& edge, const BoundShape& shape, const FunctionCode& code,
                   const RecoverySource& source, CheckRoom& room, CheckSite& site) noexcept;

}  // namespace kebound::x86
