// SPDX-License-Identifier: Apache-2.0
#include "hosts/posix/signals_at_start.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kebound::posix {
namespace {

constexpr int kLastSignal = 64;

// The kernel's, not the C library's, which refuses to speak of its own signals (rt_sigaction(2)).
struct KernelAction {
  uint64_t handler = 0;
  uint64_t flags = 0;
  uint64_t restorer = 0;
  uint64_t mask = 0;
};
constexpr uint64_t kDefault = 0;
constexpr uint64_t kIgnore = 1;

SignalState read_signals() noexcept {
  SignalState state;
  for (int signal = 1; signal <= kLastSignal; ++signal) {
    KernelAction action;
    syscall(SYS_rt_sigaction, signal, nullptr, &action, sizeof action.mask);
    if (action.handler == kIgnore) state.ignored |= uint64_t{1} << (signal - 1);
  }
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &state.blocked, sizeof state.blocked);
  return state;
}

const SignalState at_start = read_signals();

}  // namespace

const SignalState& signals_at_start() noexcept { return at_start; }

void set_signals(const SignalState& state) noexcept {
  for (int signal = 1; signal <= kLastSignal; ++signal) {
    const bool ignored = (state.ignored & uint64_t{1} << (signal - 1)) != 0;
    const KernelAction action{.handler = ignored ? kIgnore : kDefault};
    syscall(SYS_rt_sigaction, signal, &action, nullptr, sizeof action.mask);
  }
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &state.blocked, nullptr, sizeof state.blocked);
}

}  // namespace kebound::posix
