// SPDX-License-Identifier: Apache-2.0
//
// What debug information says of the arrays that lie at fixed addresses, as far as the recovery of
// a check asks for it. Freestanding.
#pragma once

#include <stdint.h>

namespace kebound::x86 {

// An array with a given byte in it.
struct ArrayLevel {
  uint64_t offset = 0;  // of the byte, from where the array begins
  uint64_t count = 0;
  uint64_t element_size = 0;  // bytes
};

// The arrays that a byte lies in, each within an element of the next one: of rows[i].items[k] those
// of items, then of rows.
struct ArrayNest {
  static constexpr uint32_t kMax = 4;
  uint32_t count = 0;
  // 0: these are all; 1: there may be others within the first level, members of a union for
  // instance. More: the first more_within - 1 levels are those of a union's members, which are
  // arrays and plain numbers, and not within each other but for rows and columns.
  uint32_t more_within = 0;
  ArrayLevel levels[kMax];

  // Levels of a union's members.
  [[nodiscard]] constexpr uint32_t alternatives() const noexcept {
    const uint32_t members = more_within > 1 ? more_within - 1 : 0;
    return members < count ? members : count;
  }
};

// How the recovery learns which arrays lie where. `find` is false where the byte at `address` is in
// no array of a variable in writable memory, where variables disagree on it, or where nothing is
// known; null: nobody can be asked. It may take its time: it is asked a few times for a check, and
// only about those that the code leaves open. Context: as recover_check().
struct ArrayLookup {
  void* self = nullptr;
  bool (*find)(void* self, uint64_t address, ArrayNest& out) noexcept = nullptr;
};

}  // namespace kebound::x86
