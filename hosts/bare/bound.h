// SPDX-License-Identifier: Apache-2.0
//
// Vectors 5 and 6: the two ends of the facility in this kernel.
#pragma once

#include "hosts/bare/machine.h"

namespace kebound::bare {

enum class Resumption : uint8_t {
  Resumed,    // `frame` is what the thread goes on with, or its process has ended
  Propagate,  // nobody's: it is the kernel's exception, as without kebound
};

// A #BR or #UD of user mode. Asks the callbacks on the running thread. Context: interrupts on, the
// kernel's stack of the thread; may block.
[[nodiscard]] Resumption on_user_check(Frame& frame) noexcept;

// An exception of the kernel itself: a bug check. Context: as it was interrupted.
[[noreturn]] void on_kernel_exception(const Frame& frame) noexcept;

}  // namespace kebound::bare
