// SPDX-License-Identifier: Apache-2.0
//
// The program's own actions for the signals whose handler is ours, and how a signal that is not
// ours gets to them: as if we were not there.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include "core/atomic.h"
#include "hosts/inproc/signal_action.h"

namespace kebound::inproc {

// The signals that can be ours.
inline constexpr int kChainedSignals[] = {SIGSEGV, SIGILL};

using Handler = void (*)(int, siginfo_t*, void*);

// One signal's program-side action. Readers are signal handlers and never wait.
class ChainedAction {
 public:
  constexpr ChainedAction() noexcept = default;

  // Puts `ours` in front of what is installed. False when the kernel refuses.
  [[nodiscard]] bool take_over(int signal, Handler ours) noexcept;
  [[nodiscard]] bool taken() const noexcept { return ours_ != nullptr; }

  // What the program's sigaction(2) does once we are in front. Context: anywhere.
  void exchange(int signal, const SignalAction* action, SignalAction* old) noexcept;

  // SA_RESETHAND: the action becomes the default one, if it is still `handler`. Context: anywhere.
  void reset(int signal, uintptr_t handler) noexcept;

  [[nodiscard]] SignalAction current() const noexcept;

  void reset_lock_in_child() noexcept { lock_.store(0, MemoryOrder::Relaxed); }

 private:
  // Versions, so that a reader always finds a complete one: version n is in slot n % kVersions, and
  // is overwritten when n + kVersions is written.
  static constexpr unsigned kVersions = 8;
  struct Version {
    Atomic<uintptr_t> handler{};
    Atomic<unsigned long> flags{};
    Atomic<uint64_t> mask{};
  };

  class Lock;
  void store(const SignalAction& action) noexcept;
  void install(int signal, const SignalAction& program) noexcept;

  Atomic<uint64_t> lock_{};  // writers; held with all signals blocked, for a few stores
  Atomic<uint64_t> newest_{};
  Version versions_[kVersions] = {};
  Handler ours_ = nullptr;
};

[[nodiscard]] ChainedAction* chained_action(int signal) noexcept;  // null: not one of ours

// Delivers a signal that is not ours. Call it last in our handler: the program's handler may never
// return. Context: in the handler of that signal.
void deliver_to_program(int signal, siginfo_t* info, ucontext_t* context) noexcept;

}  // namespace kebound::inproc
