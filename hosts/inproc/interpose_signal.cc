// SPDX-License-Identifier: Apache-2.0
//
// The C library's functions that set signal actions, for the preload library: for the signals whose
// handler is ours, what a program installs stays behind ours, and is what it finds when it asks.
// For all others they do what the C library's do, by the system call itself: they may be called in
// signal handlers, where looking up the next function is not allowed.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "hosts/inproc/chain.h"
#include "hosts/inproc/interpose.h"

using namespace kebound::inproc;

namespace {

constinit kebound::Atomic<uint64_t> g_interrupting{0};  // signals that siginterrupt(3) said so of
constinit kebound::Atomic<int> g_process{0};

// The C library's own two; it does not let programs have them.
bool is_reserved(int number) noexcept { return number == 32 || number == 33; }

// A vfork(2) child writes into its parent's memory, and what it installs is for itself alone.
bool is_borrowed_memory() noexcept {
  return g_process.load(kebound::MemoryOrder::Relaxed) != getpid();
}

SignalAction from_libc(const struct sigaction& action) noexcept {
  SignalAction result;
  result.handler = reinterpret_cast<uintptr_t>(action.sa_sigaction);
  constexpr int kSaRestorer = 0x04000000;
  result.flags = static_cast<unsigned long>(static_cast<unsigned>(action.sa_flags & ~kSaRestorer));
  memcpy(&result.mask, &action.sa_mask, sizeof result.mask);
  return result;
}

void to_libc(const SignalAction& action, struct sigaction& result) noexcept {
  memset(&result, 0, sizeof result);
  result.sa_sigaction = reinterpret_cast<void (*)(int, siginfo_t*, void*)>(action.handler);
  result.sa_flags = static_cast<int>(action.flags);
  memcpy(&result.sa_mask, &action.mask, sizeof action.mask);
}

bool change_action(int number, const SignalAction* action, SignalAction* old) noexcept {
  if (is_reserved(number)) {
    errno = EINVAL;
    return false;
  }
  ChainedAction* const chained = chained_action(number);
  if (chained != nullptr && chained->taken()) {
    if (!is_borrowed_memory()) {
      chained->exchange(number, action, old);
      return true;
    }
    if (old != nullptr) *old = chained->current();
    old = nullptr;
    if (action == nullptr) return true;
  }
  int error = 0;
  if (set_kernel_action(number, action, old, &error)) return true;
  errno = error;
  return false;
}

sighandler_t install(int number, sighandler_t handler, unsigned long flags,
                     SignalMask mask) noexcept {
  if (handler == SIG_ERR || number < 1 || number > 64) {
    errno = EINVAL;
    return SIG_ERR;
  }
  const SignalAction action{reinterpret_cast<uintptr_t>(handler), flags, mask};
  SignalAction old;
  if (!change_action(number, &action, &old)) return SIG_ERR;
  return reinterpret_cast<sighandler_t>(old.handler);
}

sighandler_t bsd_style(int number, sighandler_t handler) noexcept {
  if (number < 1 || number > 64) {
    errno = EINVAL;
    return SIG_ERR;
  }
  const bool interrupting =
      (g_interrupting.load(kebound::MemoryOrder::Relaxed) & mask_of(number)) != 0;
  return install(number, handler, interrupting ? 0 : SA_RESTART, mask_of(number));
}

sighandler_t system_v_style(int number, sighandler_t handler) noexcept {
  return install(number, handler, static_cast<unsigned>(SA_RESETHAND) | SA_NODEFER, 0);
}

}  // namespace

namespace kebound::inproc {

void remember_process() noexcept { g_process.store(getpid(), MemoryOrder::Relaxed); }

}  // namespace kebound::inproc

#define KEBOUND_INTERPOSED __attribute__((visibility("default")))

extern "C" {

KEBOUND_INTERPOSED int sigaction(int number, const struct sigaction* action,
                                 struct sigaction* old) noexcept {
  SignalAction wanted;
  SignalAction found;
  if (action != nullptr) wanted = from_libc(*action);
  if (!change_action(number, action != nullptr ? &wanted : nullptr, &found)) return -1;
  if (old != nullptr) to_libc(found, *old);
  return 0;
}
KEBOUND_INTERPOSED int __sigaction(int number, const struct sigaction* action,
                                   struct sigaction* old) noexcept {
  return sigaction(number, action, old);
}

KEBOUND_INTERPOSED sighandler_t signal(int number, sighandler_t handler) noexcept {
  return bsd_style(number, handler);
}
KEBOUND_INTERPOSED sighandler_t bsd_signal(int number, sighandler_t handler) noexcept {
  return bsd_style(number, handler);
}
KEBOUND_INTERPOSED sighandler_t ssignal(int number, sighandler_t handler) noexcept {
  return bsd_style(number, handler);
}
KEBOUND_INTERPOSED sighandler_t sysv_signal(int number, sighandler_t handler) noexcept {
  return system_v_style(number, handler);
}
KEBOUND_INTERPOSED sighandler_t __sysv_signal(int number, sighandler_t handler) noexcept {
  return system_v_style(number, handler);
}

KEBOUND_INTERPOSED sighandler_t sigset(int number, sighandler_t disposition) noexcept {
  constexpr uintptr_t kHold = 2;
  const auto hold = reinterpret_cast<sighandler_t>(kHold);
  if (number < 1 || number > 64 || disposition == SIG_ERR) {
    errno = EINVAL;
    return SIG_ERR;
  }
  if (disposition == hold) {
    SignalAction current;
    if (!change_action(number, nullptr, &current)) return SIG_ERR;
    const bool was_blocked = (block_signals(mask_of(number)) & mask_of(number)) != 0;
    return was_blocked ? hold : reinterpret_cast<sighandler_t>(current.handler);
  }
  const sighandler_t old = install(number, disposition, 0, 0);
  if (old == SIG_ERR) return old;
  const bool was_blocked = (block_signals(0) & mask_of(number)) != 0;
  unblock_signals(mask_of(number));
  return was_blocked ? hold : old;
}

KEBOUND_INTERPOSED int sigignore(int number) noexcept {
  return install(number, SIG_IGN, 0, 0) == SIG_ERR ? -1 : 0;
}

KEBOUND_INTERPOSED int siginterrupt(int number, int interrupt) noexcept {
  SignalAction action;
  if (number < 1 || number > 64) {
    errno = EINVAL;
    return -1;
  }
  if (!change_action(number, nullptr, &action)) return -1;
  constexpr unsigned long kRestart = SA_RESTART;
  if (interrupt != 0) {
    g_interrupting.fetch_or(mask_of(number), kebound::MemoryOrder::Relaxed);
    action.flags &= ~kRestart;
  } else {
    g_interrupting.fetch_and(~mask_of(number), kebound::MemoryOrder::Relaxed);
    action.flags |= kRestart;
  }
  return change_action(number, &action, nullptr) ? 0 : -1;
}

}  // extern "C"
