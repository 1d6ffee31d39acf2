// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>
#include <vector>

#include "events/record.h"

namespace kebound::report {

// Exceptions over time, in a bounded number of equal bins: when a run outgrows them, two become
// one.
class Timeline {
 public:
  static constexpr size_t kMaxBins = 120;
  using Bin = std::array<uint64_t, 3>;  // by Disposition

  // The first call fixes the start; what is (a little) earlier counts in the first bin.
  void add(int64_t time_ns, events::Disposition disposition);

  [[nodiscard]] int64_t start_ns() const noexcept { return start_; }
  [[nodiscard]] int64_t bin_ns() const noexcept { return width_; }
  // Up to the last bin with an exception in it; empty without any.
  [[nodiscard]] const std::vector<Bin>& bins() const noexcept { return bins_; }

 private:
  int64_t start_ = 0;
  int64_t width_ = 1'000'000;
  std::vector<Bin> bins_;
};

}  // namespace kebound::report
