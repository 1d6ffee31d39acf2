// SPDX-License-Identifier: Apache-2.0
//
// The checks that lead to a trap, found as they are when the trap is taken (trap/x86), by the code
// and what debug information answers, without the registers.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "scan/check.h"
#include "scan/image.h"
#include "scan/sweep.h"

namespace kebound::scan {

class Names;

struct Recovered {
  uint64_t compare = 0;  // 0 if only the branch is known
  uint64_t branch = 0;
  Known known = Known::No;
  bool is_check = false;  // one of bounds, whether its index is known or not
  bool resumable = false;
  Doubt doubt = Doubt::None;  // why not known, or not resumable
  std::string index;          // empty unless it is one of an index with a limit
  std::string limit;
  bool limit_passes = false;
  unsigned width = 0;
};

// All that leads to one trap.
struct RecoveredTrap {
  std::vector<Recovered> checks;
  std::string message;        // what hardened libc++ says of the trap; empty if it is none of its
  Doubt doubt = Doubt::None;  // why some may be missing
};

// The branches that lead to each trap of `swept`, in the same order. `names` may be null: then the
// code alone decides. Uses all processors.
[[nodiscard]] std::vector<RecoveredTrap> recover_all(const Image& image, const Sweep& swept,
                                                     Names* names);

}  // namespace kebound::scan
