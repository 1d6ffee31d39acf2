// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

namespace kebound::posix {

// How pal::heavy_barrier() reaches the other processors.
enum class BarrierMethod : uint8_t {
  MembarrierExpedited,  // Linux 4.14: interrupts the processors that run this process; about a
                        // microsecond
  MembarrierGlobal,     // Linux 4.3: waits for a grace period; milliseconds
  ProcessorTour,  // no membarrier(2) (seccomp filters): runs on each processor in turn, so that
                  // what ran there has been switched out; milliseconds
  None,           // not even that: heavy_barrier() would abort the process
};

// Does what the first heavy_barrier() would otherwise have to do (registration with the kernel,
// which waits for a grace period when there are several threads), and says which method there is.
// For a host's start-up, so that it can refuse to start on None. errno is kept. Context: any
// thread, not a signal handler.
[[nodiscard]] BarrierMethod prepare_barrier() noexcept;

// One heavy barrier by the given method; false when the system does not have it. errno is kept.
// Context: any place that may block. Exposed for tests; hosts call pal::heavy_barrier().
[[nodiscard]] bool barrier_by(BarrierMethod method) noexcept;

}  // namespace kebound::posix
