// SPDX-License-Identifier: Apache-2.0
//
// What is known about the content of a place behind a check: how it follows from the checked index.
// Freestanding.
#pragma once

#include <stdint.h>

#include "trap/x86/flow_state.h"

namespace kebound::x86 {

inline constexpr unsigned kMaxCopies = 12;
inline constexpr uint16_t kRelated = 1u << kMaxCopies;
inline constexpr uint16_t kStale = kRelated << 1;  // read from memory by the unchecked index
inline constexpr uint16_t kSuspect = kStale
                                     << 1;  // perhaps so, by an index that looks like another
inline constexpr uint16_t kAgain = kSuspect << 1;  // the index, calculated anew (index_again.h)

// Where the content of a place comes from. It is (index * factor + shift) / divisor, where that is
// known, plus the beginning of an array if kBased.
struct IndexTag {
  static constexpr uint8_t kChanged = 1;  // calculated with
  static constexpr uint8_t kShifted = 2;  // a constant was added
  static constexpr uint8_t kBased = 4;    // something unrelated was added
  static constexpr uint8_t kSpent = 8;    // it has passed another check
  static constexpr uint8_t kLinear = 16;  // the index was calculated from it, by factor and sum
  // It was made of the index, or of what that was calculated from, in another way: a quotient.
  static constexpr uint8_t kUnlinear = 64;
  static constexpr uint8_t kLoaded = 32;    // read from memory by what the rest speaks of
  static constexpr uint8_t kAddress = 128;  // kBased: that something is an address for sure
  uint16_t origins = 0;  // a bit for each copy at the check; kRelated: others that depend on it
  int16_t factor = 0;    // 0: not known
  uint8_t flags = 0;
  uint8_t divisor = 1;
  uint8_t raised = 0;  // bits that it was shifted up by, to be shifted down again: sign extension
  int32_t shift = 0;

  bool operator==(const IndexTag&) const = default;
};

struct IndexTags {
  bool reached = false;
  IndexTag of[kMaxPlaces];
};

// It has something of a copy in it.
[[nodiscard]] bool has_index(const IndexTag& tag) noexcept;
// Still the index itself, or a multiple of it, with or without an array's beginning added.
[[nodiscard]] bool is_index(const IndexTag& tag) noexcept;
// Follows from the index by a factor and a sum: the index, what it was calculated from, or what was
// calculated from one of both.
[[nodiscard]] bool is_linear(const IndexTag& tag) noexcept;

// Both ways lead here. True if `into` has changed.
bool join(IndexTag& into, const IndexTag& from) noexcept;

// What an instruction makes of the places before it. `bits`: of the index; what lies above them in
// a place that has it is something else.
[[nodiscard]] IndexTag derived(const Instruction& in, const Assignment& a, const IndexTags& before,
                               unsigned bits) noexcept;

}  // namespace kebound::x86
