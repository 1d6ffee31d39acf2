// SPDX-License-Identifier: Apache-2.0
//
// What /proc says of processes and threads. Empty, false, 0, or what is said below, when they are
// gone.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace kebound::posix {

[[nodiscard]] std::string executable_path(pid_t pid);
[[nodiscard]] bool executable_is_64bit(pid_t pid);
// The same of an executable file.
[[nodiscard]] bool file_is_64bit(const std::string& path);
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

// The processor that the thread last executed on; -1 if it cannot be told.
[[nodiscard]] int processor_of(pid_t pid, pid_t tid);

}  // namespace kebound::posix
