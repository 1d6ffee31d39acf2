// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/signals.h"

#include <signal.h>

#include <atomic>

namespace kebound::tool {
namespace {

std::atomic<void*> active{nullptr};
static_assert(std::atomic<void*>::is_always_lock_free);
void (*stop_active)(void* host) noexcept = nullptr;  // set before active

void leave_it_to_the_target(int) {}

void stop(int) {
  if (void* const host = active.load(std::memory_order_acquire)) stop_active(host);
}

// What was ignored at our start (nohup, background jobs) stays ignored, for the target too.
void handle(int signal, void (*handler)(int)) {
  struct sigaction previous {};
  if (sigaction(signal, nullptr, &previous) == 0 && previous.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

ScopedSignals::ScopedSignals(void* host, Stop stop_host) {
  stop_active = stop_host;
  active.store(host, std::memory_order_release);
  handle(SIGINT, leave_it_to_the_target);
  handle(SIGQUIT, leave_it_to_the_target);
  handle(SIGPIPE, leave_it_to_the_target);
  handle(SIGTERM, stop);
  handle(SIGHUP, stop);
}

ScopedSignals::~ScopedSignals() { active.store(nullptr, std::memory_order_release); }

}  // namespace kebound::tool
