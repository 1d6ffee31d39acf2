// SPDX-License-Identifier: Apache-2.0
//
// Faults of driver code. A touch of the user's memory is served by the window; everything else that
// would stop a Windows machine is a bug check.
#pragma once

#include <stddef.h>

#include "hosts/supervisor/user_window.h"

namespace kebound::supervisor {

// Installs the handlers for the whole process. `window` must outlive every driver.
void install_driver_fault_handlers(UserWindow& window);

// The calling thread's alternate signal stack, so that a fault by stack overflow can be handled.
class ScopedAlternateStack {
 public:
  static constexpr size_t kSize = 128 * 1024;
  ScopedAlternateStack();
  ScopedAlternateStack(const ScopedAlternateStack&) = delete;
  ScopedAlternateStack& operator=(const ScopedAlternateStack&) = delete;
  ~ScopedAlternateStack();

 private:
  void* memory_;
};

}  // namespace kebound::supervisor
