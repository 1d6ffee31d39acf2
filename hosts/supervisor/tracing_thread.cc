// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/tracing_thread.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "hosts/supervisor/fiber.h"

namespace kebound::supervisor {
namespace {

pid_t tracing_process = 0;
pid_t tracing_tid = 0;

// Ignored by default, so that a stray one harms nobody; kebound has no sockets that could raise it.
constexpr int kInterrupt = SIGURG;

sigset_t only(int signal) noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}

}  // namespace

void become_tracing_thread() noexcept {
  const sigset_t set = only(SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // Where kebound was started with SIGCHLD ignored, ends of children would not be kept for
  // waitpid().
  signal(SIGCHLD, SIG_DFL);
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};  // no SA_RESTART: waitpid() returns
  sigaction(kInterrupt, &nothing, nullptr);
  const sigset_t interrupt = only(kInterrupt);
  pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr);
  tracing_process = getpid();
  tracing_tid = gettid();
}

void wake_tracing_thread() noexcept { tgkill(tracing_process, tracing_tid, SIGCHLD); }

void interrupt_tracing_thread() noexcept { tgkill(tracing_process, tracing_tid, kInterrupt); }

void sleep_until(int64_t deadline_ns) noexcept {
  const sigset_t set = only(SIGCHLD);
  if (deadline_ns == INT64_MAX) {
    sigwaitinfo(&set, nullptr);
    return;
  }
  const int64_t left = std::max<int64_t>(deadline_ns - monotonic_ns(), 0);
  const timespec timeout{.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
  sigtimedwait(&set, nullptr, &timeout);
}

}  // namespace kebound::supervisor
