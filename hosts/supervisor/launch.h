// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "hosts/supervisor/supervisor.h"

namespace kebound::supervisor {

// A child that was forked, seized and let go to exec.
struct Launched {
  pid_t pid = 0;           // 0: could not be started, `failure` says why
  int exec_error_fd = -1;  // gives an errno if exec fails, end of file if it succeeds
  Outcome failure;
};

[[nodiscard]] Launched launch(const LaunchSpec& spec);

// After the launched child exited without exec: what to tell. Closes the descriptor.
[[nodiscard]] Outcome explain_failed_exec(const Launched& launched, const LaunchSpec& spec);

}  // namespace kebound::supervisor
