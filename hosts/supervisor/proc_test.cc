// SPDX-License-Identifier: Apache-2.0
//
// What is read from /proc, and the statuses of waitpid().
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "hosts/posix/module_map.h"
#include "hosts/posix/process_facts.h"
#include "hosts/supervisor/address_ranges.h"
#include "hosts/supervisor/processor_follower.h"
#include "hosts/supervisor/target_memory.h"
#include "hosts/supervisor/wait_status.h"

namespace kebound::supervisor {
namespace {

using namespace posix;

TEST(WaitStatusTest, TellsTheStopsOfASeizedThreadApart) {
  using Kind = WaitStatus::Kind;
  const auto stopped = [](int signal, int event) {
    return WaitStatus(event << 16 | signal << 8 | 0x7f);
  };
  EXPECT_EQ(stopped(SIGSEGV, 0).kind(), Kind::SignalDelivery);
  EXPECT_EQ(stopped(SIGSTOP, 0).kind(), Kind::SignalDelivery)
      << "about to be delivered, not yet a group stop";
  EXPECT_EQ(stopped(SIGTSTP, PTRACE_EVENT_STOP).kind(), Kind::GroupStop);
  EXPECT_EQ(stopped(SIGTRAP, PTRACE_EVENT_STOP).kind(), Kind::Event);
  EXPECT_EQ(stopped(SIGTRAP, PTRACE_EVENT_EXEC).event(), PTRACE_EVENT_EXEC);
  EXPECT_EQ(WaitStatus(7 << 8).kind(), Kind::Exited);
  EXPECT_EQ(WaitStatus(7 << 8).exit_status(), 7);
  EXPECT_EQ(WaitStatus(SIGKILL).kind(), Kind::Signaled);
  EXPECT_EQ(WaitStatus(SIGSEGV | 0x80).signal(), SIGSEGV) << "with a core";
}

TEST(TargetMemoryTest, ReadsUpToTheEndOfWhatIsReadable) {
  auto* const pages = static_cast<char*>(
      mmap(nullptr, 2 * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  pages[kPageSize - 1] = 'x';
  ASSERT_EQ(mprotect(pages + kPageSize, kPageSize, PROT_NONE), 0);
  const TargetMemory memory(getpid());
  char buffer[64] = {};
  EXPECT_EQ(
      memory.read_some(reinterpret_cast<uint64_t>(pages) + kPageSize - 4, buffer, sizeof buffer),
      4U);
  EXPECT_EQ(buffer[3], 'x');
  EXPECT_EQ(memory.read_some(reinterpret_cast<uint64_t>(pages) + kPageSize, buffer, sizeof buffer),
            0U);
  EXPECT_EQ(memory.read_some(~uint64_t{0} - 2, buffer, sizeof buffer), 0U)
      << "at the end of the address space";
  munmap(pages, 2 * kPageSize);
}

TEST(AddressRangesTest, WritableIsWhatTheProcessMayWrite) {
  static int variable = 0;
  static const int constant = 1;
  EXPECT_TRUE(is_writable(getpid(), reinterpret_cast<uint64_t>(&variable)));
  EXPECT_FALSE(is_writable(getpid(), reinterpret_cast<uint64_t>(&constant)));
  EXPECT_FALSE(is_writable(getpid(), 0x1000));
  EXPECT_FALSE(is_writable(1 << 29, 0x1000)) << "no such process";
}

TEST(ModuleMapTest, ListsTheProgram) {
  ModuleMapReader reader;
  const auto first = reader.read(getpid(), true);
  ASSERT_NE(first, nullptr);
  const std::string self = executable_path(getpid());
  EXPECT_TRUE(std::ranges::any_of(first->mappings, [&](const events::Mapping& mapping) {
    const auto here = reinterpret_cast<uint64_t>(&executable_path);
    return mapping.path == self && mapping.executable && mapping.begin <= here &&
           here < mapping.end;
  }));
}

// Of a child: what a process reads of itself, reading may change.
TEST(ModuleMapTest, ChangesGenerationOnlyWithTheMappings) {
  int pipes[2][2];
  ASSERT_EQ(pipe(pipes[0]), 0);
  ASSERT_EQ(pipe(pipes[1]), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(pipes[0][1]);
    char go = 0;
    while (read(pipes[0][0], &go, 1) == 1) {
      mmap(nullptr, kPageSize, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      if (write(pipes[1][1], &go, 1) != 1) break;
    }
    _exit(0);
  }
  close(pipes[0][0]);
  close(pipes[1][1]);
  ModuleMapReader reader;
  const auto before = reader.read(child, true);
  ASSERT_NE(before, nullptr);
  EXPECT_EQ(reader.read(child, true).get(), before.get());
  char go = 0;
  ASSERT_EQ(write(pipes[0][1], &go, 1), 1);
  ASSERT_EQ(read(pipes[1][0], &go, 1), 1);
  const auto after = reader.read(child, true);
  ASSERT_NE(after, nullptr);
  EXPECT_NE(after->generation, before->generation);
  close(pipes[0][1]);
  close(pipes[1][0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
}

TEST(ModuleMapTest, ADeletedFileStaysReadable) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("kebound-deleted-" + std::to_string(getpid()));
  std::ofstream(path) << std::string(kPageSize, 'k');
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  void* const mapped = mmap(nullptr, kPageSize, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  std::filesystem::remove(path);
  ModuleMapReader reader;
  const auto map = reader.read(getpid(), true);
  const auto found = std::ranges::find_if(map->mappings, [&](const events::Mapping& mapping) {
    return mapping.begin == reinterpret_cast<uint64_t>(mapped);
  });
  ASSERT_NE(found, map->mappings.end());
  EXPECT_NE(found->path.find(path.filename().string()), std::string::npos);
  std::string content;
  std::getline(std::ifstream(found->open_path), content);
  EXPECT_EQ(content, std::string(kPageSize, 'k')) << found->open_path;
  munmap(mapped, kPageSize);
}

TEST(ProcTest, NamesProcessesAndThreads) {
  EXPECT_TRUE(executable_is_64bit(getpid()));
  EXPECT_EQ(process_of_thread(gettid()), getpid());
  EXPECT_EQ(parent_of(getpid()), getppid());
  EXPECT_EQ(tracer_of(getpid(), gettid()), 0);
  EXPECT_TRUE(std::ranges::count(threads_of(getpid()), gettid()) == 1);
  EXPECT_EQ(process_of_thread(1 << 29), 0);
  EXPECT_EQ(executable_path(1 << 29), "");
  prctl(PR_SET_NAME, "odd ) name");
  EXPECT_EQ(thread_name(getpid(), gettid()), "odd ) name");
}

TEST(ProcTest, SignalMasksAreThoseOfTheThread) {
  struct sigaction before {};
  signal(SIGUSR2, SIG_IGN);
  EXPECT_NE(signal_masks(getpid(), gettid()).ignored & uint64_t{1} << (SIGUSR2 - 1), 0U);
  signal(SIGUSR2, [](int) {});
  EXPECT_NE(signal_masks(getpid(), gettid()).caught & uint64_t{1} << (SIGUSR2 - 1), 0U);
  sigaction(SIGUSR2, &before, nullptr);
}

TEST(ProcessorFollowerTest, GoesWhereTheThreadIsAndRefusesProcessorsThatDoNotExist) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_FALSE(ProcessorFollower::pin_to(-1));
  EXPECT_FALSE(ProcessorFollower::pin_to(CPU_SETSIZE));
  ProcessorFollower follower;
  for (int i = 0; i < 100; ++i) follower.saw_exception(getpid(), gettid());
  cpu_set_t after;
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_EQ(CPU_COUNT(&after), 1);
  EXPECT_TRUE(CPU_ISSET(static_cast<unsigned>(sched_getcpu()), &after));
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace kebound::supervisor
