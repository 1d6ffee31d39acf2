// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/chain.h"

#include "core/pal.h"
#include "hosts/inproc/bug_check.h"

namespace kebound::inproc {
namespace {

constexpr size_t kCount = sizeof kChainedSignals / sizeof *kChainedSignals;
constinit ChainedAction g_actions[kCount];

// The kernel's siginfo codes for what the thread did itself are positive; kill(2), sigqueue(3) and
// the like are 0 or less.
bool caused_by_the_thread(const siginfo_t& info) noexcept { return info.si_code > 0; }

// Ends as the kernel would have ended it: the default action is restored and the signal, with its
// own information, waits for the thread to be back where it was interrupted. So a core has the true
// instruction pointer, and a signal that the instruction would not raise a second time is not lost.
void take_default_action(int signal, const siginfo_t& info) noexcept {
  const SignalAction fallback{};
  if (!set_kernel_action(signal, &fallback, nullptr)) kill_process();
  block_signals(mask_of(signal));  // until our handler has returned, which restores the mask
  if (queue_to_self(signal, info)) return;
  // A filter forbids it. A fault will come again by itself; what somebody else sent will not.
  if (!caused_by_the_thread(info)) kill_process();
}

}  // namespace

// Writers exclude each other. No signal finds its own thread inside, so that a handler can wait.
class ChainedAction::Lock {
 public:
  explicit Lock(ChainedAction& action) noexcept : lock_(action.lock_) {
    while (lock_.exchange(1, MemoryOrder::Acquire) != 0) pal::wait_while_equal(lock_.address(), 1);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() {
    lock_.store(0, MemoryOrder::Release);
    pal::wake_all(lock_.address());
  }

 private:
  ScopedSignalBlock blocked_;
  Atomic<uint64_t>& lock_;
};

ChainedAction* chained_action(int signal) noexcept {
  for (size_t i = 0; i < kCount; ++i) {
    if (kChainedSignals[i] == signal) return &g_actions[i];
  }
  return nullptr;
}

void ChainedAction::store(const SignalAction& action) noexcept {
  const uint64_t next = newest_.load(MemoryOrder::Relaxed) + 1;
  Version& version = versions_[next % kVersions];
  // Releases, pair with current()'s acquires: who reads one of these sees that newest_ has come as
  // far as the version before it.
  version.handler.store(action.handler, MemoryOrder::Release);
  version.flags.store(action.flags, MemoryOrder::Release);
  version.mask.store(action.mask, MemoryOrder::Release);
  newest_.store(next, MemoryOrder::Release);
}

SignalAction ChainedAction::current() const noexcept {
  for (;;) {
    const uint64_t number = newest_.load(MemoryOrder::Acquire);
    const Version& version = versions_[number % kVersions];
    SignalAction action;
    action.handler = version.handler.load(MemoryOrder::Acquire);
    action.flags = version.flags.load(MemoryOrder::Acquire);
    action.mask = version.mask.load(MemoryOrder::Acquire);
    // The slot is rewritten only after newest_ has reached number + kVersions - 1.
    if (newest_.load(MemoryOrder::Acquire) - number < kVersions - 1) return action;
  }
}

// What the kernel has to know of the program's action: which stack, and whether system calls are
// restarted. SA_NODEFER and an empty mask of ours: our handler sees faults in callbacks, and what
// the program's handler is to have blocked, deliver_to_program() blocks. Without a handler of the
// program's the alternate stack is the right one: those who set one up need it.
void ChainedAction::install(int signal, const SignalAction& program) noexcept {
  const bool has_handler = !program.is_default() && !program.is_ignore();
  SignalAction action;
  action.handler = reinterpret_cast<uintptr_t>(ours_);
  action.flags = SA_SIGINFO | SA_NODEFER |
                 (has_handler ? program.flags & static_cast<unsigned long>(SA_ONSTACK | SA_RESTART)
                              : static_cast<unsigned long>(SA_ONSTACK));
  if (!set_kernel_action(signal, &action, nullptr)) kill_process();  // it took the same before
}

bool ChainedAction::take_over(int signal, Handler ours) noexcept {
  const Lock lock(*this);
  SignalAction program;
  if (!set_kernel_action(signal, nullptr, &program)) return false;
  store(program);
  ours_ = ours;
  install(signal, program);
  return true;
}

void ChainedAction::exchange(int signal, const SignalAction* action, SignalAction* old) noexcept {
  const Lock lock(*this);
  if (old != nullptr) *old = current();
  if (action == nullptr) return;
  SignalAction kept = *action;
  kept.mask &= ~(mask_of(SIGKILL) | mask_of(SIGSTOP));  // as the kernel; who asks finds it so
  store(kept);
  install(signal, kept);
}

void ChainedAction::reset(int signal, uintptr_t handler) noexcept {
  const Lock lock(*this);
  SignalAction action = current();
  if (action.handler != handler) return;
  action.handler = 0;
  store(action);
  install(signal, action);
}

void deliver_to_program(int signal, siginfo_t* info, ucontext_t* context) noexcept {
  ChainedAction& chained = *chained_action(signal);
  const SignalAction action = chained.current();
  if (action.is_ignore() && !caused_by_the_thread(*info)) return;
  // The kernel does not let a thread ignore its own faults.
  if (action.is_default() || action.is_ignore()) return take_default_action(signal, *info);
  if ((action.flags & static_cast<unsigned long>(SA_RESETHAND)) != 0) {
    chained.reset(signal, action.handler);
  }
  SignalMask mask = action.mask;
  if ((action.flags & static_cast<unsigned long>(SA_NODEFER)) == 0) mask |= mask_of(signal);
  if (mask != 0) block_signals(mask);  // until our own return: the context has the mask of before
  // All three arguments in any case, as the kernel does it.
  reinterpret_cast<Handler>(action.handler)(signal, info, context);
}

}  // namespace kebound::inproc
