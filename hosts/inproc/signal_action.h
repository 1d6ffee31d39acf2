// SPDX-License-Identifier: Apache-2.0
//
// Signal actions and masks as the kernel takes them, without the C library, whose functions a
// program or another library may have interposed. errno is kept by all.
#pragma once

#include <signal.h>
#include <stdint.h>

namespace kebound::inproc {

using SignalMask = uint64_t;  // bit n - 1: signal n
[[nodiscard]] constexpr SignalMask mask_of(int signal) noexcept {
  return SignalMask{1} << (signal - 1);
}
inline constexpr SignalMask kAllSignals = ~SignalMask{0};

// What a program asked for.
struct SignalAction {
  uintptr_t handler = 0;  // 0 SIG_DFL, 1 SIG_IGN
  unsigned long flags = 0;
  SignalMask mask = 0;

  [[nodiscard]] bool is_default() const noexcept { return handler == 0; }
  [[nodiscard]] bool is_ignore() const noexcept { return handler == 1; }
};

// False and errno's value in `error` when the kernel refuses. Null `action` only asks. Context:
// anywhere.
[[nodiscard]] bool set_kernel_action(int signal, const SignalAction* action, SignalAction* old,
                                     int* error = nullptr) noexcept;

// Context: anywhere.
SignalMask block_signals(SignalMask mask) noexcept;  // returns the mask as it was
void set_signal_mask(SignalMask mask) noexcept;
void unblock_signals(SignalMask mask) noexcept;

// Sends this thread a signal with just this information. Context: anywhere.
bool queue_to_self(int signal, const siginfo_t& info) noexcept;

// Blocks all signals for a scope: a handler must not find this thread inside.
class ScopedSignalBlock {
 public:
  ScopedSignalBlock() noexcept : before_(block_signals(kAllSignals)) {}
  ScopedSignalBlock(const ScopedSignalBlock&) = delete;
  ScopedSignalBlock& operator=(const ScopedSignalBlock&) = delete;
  ~ScopedSignalBlock() { set_signal_mask(before_); }

 private:
  const SignalMask before_;
};

}  // namespace kebound::inproc
