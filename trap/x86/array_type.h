// SPDX-License-Identifier: Apache-2.0
//
// What debug information says of the arrays that lie at fixed addresses, as far as the recovery of
// a check asks for it. Freestanding.
#pragma once

#include <stdint.h>

namespace kebound::x86 {

// An array of one dimension.
struct ArrayType {
  uint64_t count = 0;
  uint64_t element_size = 0;  // bytes
};

// How the recovery learns where arrays begin. `find` is false where no variable in writable memory,
// or member of one, is an array that begins at `address`, where more than one may, or where nothing
// is known; null: nobody can be asked. It may take its time: it is asked once for a check, and only
// about those that the code leaves open. Context: as recover_check().
struct ArrayLookup {
  void* self = nullptr;
  bool (*find)(void* self, uint64_t address, ArrayType& out) noexcept = nullptr;
};

}  // namespace kebound::x86
