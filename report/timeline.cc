// SPDX-License-Identifier: Apache-2.0
#include "report/timeline.h"

namespace kebound::report {

void Timeline::add(int64_t time_ns, events::Disposition disposition) {
  if (bins_.empty()) start_ = time_ns;
  // Unsigned: recorded times are any 64 bits at all.
  const uint64_t since =
      time_ns > start_ ? static_cast<uint64_t>(time_ns) - static_cast<uint64_t>(start_) : 0;
  while (since / static_cast<uint64_t>(width_) >= kMaxBins) {
    for (size_t i = 0; i < bins_.size(); ++i) {
      if (i % 2 == 0) {
        bins_[i / 2] = bins_[i];
      } else {
        for (size_t k = 0; k < 3; ++k) bins_[i / 2][k] += bins_[i][k];
      }
    }
    bins_.resize((bins_.size() + 1) / 2);
    width_ *= 2;
  }
  const size_t bin = since / static_cast<uint64_t>(width_);
  if (bins_.size() <= bin) bins_.resize(bin + 1);
  ++bins_[bin][static_cast<size_t>(disposition) % 3];
}

}  // namespace kebound::report
