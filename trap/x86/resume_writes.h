// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/x86/resume.h"

namespace kebound::x86 {

inline constexpr const char* kWritesRefused = "the index is in memory that cannot be written";

// All of a plan's writes to memory or none: a half corrected index would be worse than an
// exception. `read` and `write` are bool(uint64_t address, buffer, size_t size). Freestanding.
template <class Read, class Write>
[[nodiscard]] bool carry_out_writes(const ResumePlan& plan, Read&& read, Write&& write) noexcept {
  uint64_t before[kMaxIndexPlaces] = {};
  size_t done = 0;
  for (; done < plan.write_count; ++done) {
    const MemoryWrite& it = plan.writes[done];
    if (!read(it.address, &before[done], it.size) || !write(it.address, &it.value, it.size)) break;
  }
  if (done == plan.write_count) return true;
  while (done-- > 0) {
    static_cast<void>(write(plan.writes[done].address, &before[done], plan.writes[done].size));
  }
  return false;
}

}  // namespace kebound::x86
