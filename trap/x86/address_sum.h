// SPDX-License-Identifier: Apache-2.0
//
// What an address is the sum of: where something lies for good, and multiples of numbers that are
// not known. Freestanding.
#pragma once

#include <stdint.h>

#include "trap/x86/flow_analysis.h"
#include "trap/x86/index_use.h"

namespace kebound::x86 {

struct AddressSum {
  static constexpr unsigned kMax = 5;
  struct Term {
    ValueId value = kAnonymous;
    uint8_t bits = 0;  // the low ones, that are in the sum
    int64_t factor = 0;
  };
  // The address of something global is in `constant`.
  bool fixed = false;
  uint64_t constant = 0;
  uint8_t count = 0;
  Term terms[kMax];
};

// Adds `value`, `factor` times, as far as the code shows how it was made; the compared number and
// what it was made of is not taken apart. False where there are too many terms, or nothing is known
// of one. Context: anywhere; bounded.
[[nodiscard]] bool add_to_sum(FlowAnalysis& flow, Value value, int64_t factor,
                              const IndexCopies& compared, AddressSum& sum) noexcept;

}  // namespace kebound::x86
