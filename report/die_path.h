// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <elfutils/libdw.h>

#include <vector>

namespace kebound::report {

// A walk through a unit's entries: the entry being looked at on each level, the outermost first.
using DiePath = std::vector<Dwarf_Die>;

// Goes on behind the entry at the end, and what is below it: to the next one on its level or above;
// empty behind the last.
inline void leave_entry(DiePath& path) {
  while (!path.empty()) {
    Dwarf_Die next;
    if (dwarf_siblingof(&path.back(), &next) == 0) {
      path.back() = next;
      return;
    }
    path.pop_back();
  }
}

}  // namespace kebound::report
