// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/exit_status.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

namespace kebound::tool {

void die_of_signal(int signal) {
  fflush(nullptr);
  // The target has left its core file already; one of kebound under the same name would replace it.
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  ::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  kill(getpid(), signal);
  // Reached for a signal whose default action does not end a process: say it as shells do.
  _exit(128 + signal);
}

}  // namespace kebound::tool
