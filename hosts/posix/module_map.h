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

// What /proc/PID says of a process or a thread; empty, false or 0 when it is gone.
[[nodiscard]] std::string executable_path(pid_t pid);
[[nodiscard]] bool executable_is_64bit(pid_t pid);
[[nodiscard]] std::string thread_name(pid_t pid, pid_t tid);
[[nodiscard]] pid_t process_of_thread(pid_t tid);
[[nodiscard]] pid_t parent_of(pid_t pid);
[[nodiscard]] pid_t tracer_of(pid_t pid, pid_t tid);
[[nodiscard]] std::vector<pid_t> threads_of(pid_t pid);
// The masks of /proc/PID/task/TID/status, bit N-1 for signal N.
struct SignalMasks {
  uint64_t caught = 0;
  uint64_t ignored = 0;
};
[[nodiscard]] SignalMasks signal_masks(pid_t pid, pid_t tid);

}  // namespace kebound::posix
