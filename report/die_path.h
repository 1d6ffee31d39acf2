// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <vector>

namespace kebound::report {

// A walk through a unit's entries: the entry being looked at on each level, the outermost first.
using DiePath = std::vector<Dwarf_Die>;

// A function, a block or a namespace: variables and functions may be in it.
[[nodiscard]] inline bool is_scope(Dwarf_Die* die) {
  switch (dwarf_tag(die)) {
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_namespace:
    case DW_TAG_module:
      return true;
    default:
      return false;
  }
}

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
