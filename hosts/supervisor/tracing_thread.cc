// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/tracing_thread.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "hosts/supervisor/fiber.h"

namespace kebound::supervisor {
namespace {

pid_t tracing_process = 0;
pid_t tracing_tid = 0;

sigset_t only_sigchld() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return set;
}

}  // namespace

sigset_t become_tracing_thread() noexcept {
  const sigset_t set = only_sigchld();
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &set, &before);
  tracing_process = getpid();
  tracing_tid = gettid();
  return before;
}

void wake_tracing_thread() noexcept { tgkill(tracing_process, tracing_tid, SIGCHLD); }

void sleep_until(int64_t deadline_ns) noexcept {
  const sigset_t set = only_sigchld();
  if (deadline_ns == INT64_MAX) {
    sigwaitinfo(&set, nullptr);
    return;
  }
  const int64_t left = std::max<int64_t>(deadline_ns - monotonic_ns(), 0);
  const timespec timeout{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
  sigtimedwait(&set, nullptr, &timeout);
}

}  // namespace kebound::supervisor
