// SPDX-License-Identifier: Apache-2.0
#include "core/pal.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "hosts/posix/barrier.h"

namespace kebound::posix {
namespace {

// Makes the given system calls fail with EPERM in the calling process, as container filters do.
void refuse(long first, long second) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(first), 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(second), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    _exit(99);
  }
}

TEST(Barrier, uses_the_expedited_membarrier_where_the_kernel_has_it) {
  const long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  if (commands < 0 || (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) {
    GTEST_SKIP() << "no expedited membarrier here";
  }
  EXPECT_EQ(prepare_barrier(), BarrierMethod::MembarrierExpedited);
}

TEST(Barrier, every_fallback_completes_and_keeps_errno) {
  for (const BarrierMethod method :
       {BarrierMethod::MembarrierExpedited, BarrierMethod::MembarrierGlobal,
        BarrierMethod::ProcessorTour}) {
    errno = 4711;
    EXPECT_TRUE(barrier_by(method)) << static_cast<int>(method);
    EXPECT_EQ(errno, 4711);
  }
  EXPECT_FALSE(barrier_by(BarrierMethod::None));
}

TEST(Barrier, the_processor_tour_restores_the_affinity) {
  cpu_set_t before;
  cpu_set_t after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  ASSERT_TRUE(barrier_by(BarrierMethod::ProcessorTour));
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(Barrier, a_forked_child_has_the_same_one) {
  const BarrierMethod here = prepare_barrier();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(prepare_barrier() == here ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Barrier, tours_the_processors_when_a_filter_refuses_membarrier) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    refuse(SYS_membarrier, SYS_membarrier);
    _exit(prepare_barrier() == BarrierMethod::ProcessorTour ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(BarrierDeathTest, stops_with_a_reason_rather_than_go_on_without_a_barrier) {
  EXPECT_DEATH(
      {
        refuse(SYS_membarrier, SYS_sched_setaffinity);
        pal::heavy_barrier();
      },
      "kebound: cannot order memory across processors: .*; allow one of them");
}

TEST(Wait, returns_at_once_when_the_value_is_another) {
  alignas(8) const uint64_t word = 5;
  errno = 4711;
  pal::wait_while_equal(&word, 6);
  EXPECT_EQ(errno, 4711);
}

TEST(Wait, wake_all_wakes_every_waiter_after_a_change) {
  alignas(8) uint64_t word = 1;
  std::atomic<int> woken{0};
  std::thread waiters[3];
  for (std::thread& waiter : waiters) {
    waiter = std::thread([&] {
      while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 1) pal::wait_while_equal(&word, 1);
      ++woken;
    });
  }
  __atomic_store_n(&word, 2, __ATOMIC_RELEASE);
  errno = 4711;
  pal::wake_all(&word);
  EXPECT_EQ(errno, 4711);
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(woken, 3);
}

TEST(Wait, relax_returns) { pal::relax(); }

}  // namespace
}  // namespace kebound::posix
