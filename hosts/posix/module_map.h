// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "events/record.h"

namespace kebound::posix {

// The file mappings of one address space, read from /proc when an exception asks for them.
class ModuleMapReader {
 public:
  // The current map; the same object as before while the target's mappings have not changed. Null
  // when the process is gone.
  [[nodiscard]] std::shared_ptr<const events::ModuleMap> read(pid_t pid, bool is_64bit);
  // The last one read, null before the first.
  [[nodiscard]] const std::shared_ptr<const events::ModuleMap>& last() const noexcept {
    return last_;
  }
  // After exec: another address space.
  void forget() noexcept;

 private:
  std::string last_text_;
  std::shared_ptr<const events::ModuleMap> last_;
};

// For maps that are made elsewhere.
[[nodiscard]] uint64_t new_map_generation() noexcept;

}  // namespace kebound::posix
