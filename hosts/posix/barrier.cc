// SPDX-License-Identifier: Apache-2.0
#include "hosts/posix/barrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/pal.h"

namespace kebound::posix {
namespace {

constexpr BarrierMethod kMethods[] = {BarrierMethod::MembarrierExpedited,
                                      BarrierMethod::MembarrierGlobal,
                                      BarrierMethod::ProcessorTour};

bool membarrier(int command) noexcept { return syscall(SYS_membarrier, command, 0, 0) == 0; }

// Keeps no state of its own: the kernel says EPERM to a process (a fork's child, a fresh image)
// that has not registered, and registering twice is harmless. So there is nothing to initialise and
// to race on.
bool expedited() noexcept {
  if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return true;
  return errno == EPERM && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
         membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

// A thread that runs on processor n has displaced whatever ran there, and a context switch is a
// full barrier. Covers the processors that this thread may be moved to: a host that confines its
// threads to processors which another of its threads is barred from must have membarrier(2).
bool processor_tour() noexcept {
  cpu_set_t before;
  if (sched_getaffinity(0, sizeof before, &before) != 0) return false;
  bool toured = false;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    // EINVAL: no such processor, or offline, or outside our cpuset: nothing of ours runs there.
    if (sched_setaffinity(0, sizeof one, &one) == 0) {
      toured = true;
    } else if (errno != EINVAL) {
      toured = false;
      break;
    }
  }
  return sched_setaffinity(0, sizeof before, &before) == 0 && toured;
}

}  // namespace

bool barrier_by(BarrierMethod method) noexcept {
  const int saved = errno;
  bool done = false;
  switch (method) {
    case BarrierMethod::MembarrierExpedited:
      done = expedited();
      break;
    case BarrierMethod::MembarrierGlobal:
      done = membarrier(MEMBARRIER_CMD_GLOBAL);
      break;
    case BarrierMethod::ProcessorTour:
      done = processor_tour();
      break;
    case BarrierMethod::None:
      break;
  }
  errno = saved;
  return done;
}

BarrierMethod prepare_barrier() noexcept {
  for (const BarrierMethod method : kMethods) {
    if (barrier_by(method)) return method;
  }
  return BarrierMethod::None;
}

}  // namespace kebound::posix

namespace kebound::pal {

void heavy_barrier() noexcept {
  if (posix::prepare_barrier() != posix::BarrierMethod::None) return;
  // To go on would be to call into freed memory some day; nobody up the stack can do better.
  constexpr char kMessage[] =
      "kebound: cannot order memory across processors: membarrier(2) and sched_setaffinity(2) are "
      "both refused; allow one of them in the seccomp filter\n";
  const ssize_t written = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  static_cast<void>(written);
  abort();
}

}  // namespace kebound::pal
