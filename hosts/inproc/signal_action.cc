// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/signal_action.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hosts/inproc/machine.h"

namespace kebound::inproc {
namespace {

constexpr unsigned long kSaRestorer = 0x04000000;

// struct sigaction as rt_sigaction(2) takes it.
struct KernelAction {
  uintptr_t handler;
  unsigned long flags;
  void (*restorer)();
  uint32_t mask[2];
};
constexpr size_t kMaskSize = sizeof(SignalMask);
static_assert(sizeof(KernelAction) == 3 * sizeof(long) + kMaskSize);

SignalMask change_mask(int how, SignalMask mask) noexcept {
  const int saved = errno;
  SignalMask old = 0;
  syscall(SYS_rt_sigprocmask, how, &mask, &old, kMaskSize);  // cannot fail: all arguments are good
  errno = saved;
  return old;
}

}  // namespace

bool set_kernel_action(int signal, const SignalAction* action, SignalAction* old,
                       int* error) noexcept {
  const int saved = errno;
  KernelAction in{};
  KernelAction out{};
  if (action != nullptr) {
    in.handler = action->handler;
    in.flags = action->flags;
    in.restorer = signal_restorer();
    if (in.restorer != nullptr) in.flags |= kSaRestorer;
    in.mask[0] = static_cast<uint32_t>(action->mask);
    in.mask[1] = static_cast<uint32_t>(action->mask >> 32);
  }
  const bool done =
      syscall(SYS_rt_sigaction, signal, action != nullptr ? &in : nullptr, &out, kMaskSize) == 0;
  if (!done && error != nullptr) *error = errno;
  if (done && old != nullptr) {
    old->handler = out.handler;
    old->flags = out.flags & ~kSaRestorer;
    old->mask = out.mask[0] | SignalMask{out.mask[1]} << 32;
  }
  errno = saved;
  return done;
}

SignalMask block_signals(SignalMask mask) noexcept { return change_mask(SIG_BLOCK, mask); }
void set_signal_mask(SignalMask mask) noexcept { change_mask(SIG_SETMASK, mask); }
void unblock_signals(SignalMask mask) noexcept { change_mask(SIG_UNBLOCK, mask); }

bool queue_to_self(int signal, const siginfo_t& info) noexcept {
  const int saved = errno;
  const bool queued =
      syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, &info) == 0;
  errno = saved;
  return queued;
}

}  // namespace kebound::inproc
