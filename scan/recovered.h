// SPDX-License-Identifier: Apache-2.0
//
// The checks that lead to a trap, found as they are when the trap is taken (trap/x86), without the
// registers.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "scan/check.h"
#include "scan/image.h"
#include "scan/sweep.h"

namespace kebound::scan {

struct Recovered {
  uint64_t compare = 0;  // 0 if only the branch is known
  uint64_t branch = 0;
  Known known = Known::No;
  bool resumable = false;
  Doubt doubt = Doubt::None;  // why not known, or not resumable
  std::string index;          // empty unless it is one of an index with a limit
  std::string limit;
  bool limit_passes = false;
  unsigned width = 0;
};

// One for an image: keeps the room that the analysis needs.
class Recoverer {
 public:
  // `jumps`: those between functions. Both have to outlive this object.
  Recoverer(const Image& image, const std::vector<OutwardJump>& jumps);
  Recoverer(const Recoverer&) = delete;
  Recoverer& operator=(const Recoverer&) = delete;
  ~Recoverer();

  // The branches that lead to the trap at `address`. `doubt` says why some may be missing.
  [[nodiscard]] std::vector<Recovered> checks_of(uint64_t address, Doubt& doubt);

 private:
  struct Room;
  const Image& image_;
  const std::vector<OutwardJump>& jumps_;
  std::unique_ptr<Room> room_;  // large: made when the first trap is met
};

}  // namespace kebound::scan
