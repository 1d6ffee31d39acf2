// SPDX-License-Identifier: Apache-2.0
//
// Questions to /proc/PID/maps that are not about modules.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <string>

namespace kebound::supervisor {

// True when the process may write to the page at `address`. Neither allocates nor locks.
// Context: signal handlers too.
[[nodiscard]] bool is_writable(pid_t pid, uint64_t address) noexcept;

// The ranges at or above `from` that both this process and `pid` have mapped, as text; empty: none.
[[nodiscard]] std::string describe_overlaps(pid_t pid, uint64_t from);

}  // namespace kebound::supervisor
