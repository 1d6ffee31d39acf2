// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/user_window.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "hosts/supervisor/target_memory.h"

namespace kebound::supervisor {
namespace {

constexpr uint64_t kReadWrite = 0x20000000;
constexpr uint64_t kReadOnly = 0x20001000;
constexpr uint64_t kNoAccess = 0x20002000;
constexpr uint64_t kMany = 0x30000000;
constexpr size_t kManyPages = 1500;  // more than the window holds
constexpr uint64_t kHigh = 0x123450000000;

void map_in_child(uint64_t address, size_t size, int protection, int fill) {
  void* const at = reinterpret_cast<void*>(address);
  if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
    _exit(1);
  memset(at, fill, size);
  if (mprotect(at, size, protection) != 0) _exit(2);
}

// A process with known memory, which the test sees through the window.
class UserWindowTest : public testing::Test {
 protected:
  void SetUp() override {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    child_ = fork();
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      map_in_child(kReadWrite, kPageSize, PROT_READ | PROT_WRITE, 0x11);
      map_in_child(kReadOnly, kPageSize, PROT_READ, 0x22);
      map_in_child(kNoAccess, kPageSize, PROT_NONE, 0x33);
      map_in_child(kMany, kManyPages * kPageSize, PROT_READ | PROT_WRITE, 0x44);
      map_in_child(kHigh, kPageSize, PROT_READ | PROT_WRITE, 0x55);
      static_cast<void>(!write(ready[1], "r", 1));
      for (;;) pause();
    }
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    space_ = {child_, 1};
  }

  void TearDown() override {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  static unsigned char& byte_at(uint64_t address) {
    return *reinterpret_cast<unsigned char*>(address);
  }

  unsigned char child_byte(uint64_t address) {
    unsigned char value = 0;
    EXPECT_TRUE(TargetMemory(child_).read(address, &value, 1));
    return value;
  }

  pid_t child_ = 0;
  UserSpace space_;
};

TEST_F(UserWindowTest, ShowsThePageAtItsOwnAddress) {
  UserWindow window;
  window.enter(space_);
  ASSERT_EQ(window.page_in(kReadWrite + 5, false), UserWindow::PageIn::Done);
  EXPECT_EQ(byte_at(kReadWrite + 5), 0x11);
  ASSERT_EQ(window.page_in(kHigh, false), UserWindow::PageIn::Done);
  EXPECT_EQ(byte_at(kHigh), 0x55);
  EXPECT_TRUE(window.leave());
}

TEST_F(UserWindowTest, WritesBackOnlyTheBytesThatWereChanged) {
  UserWindow window;
  window.enter(space_);
  ASSERT_EQ(window.page_in(kReadWrite, true), UserWindow::PageIn::Done);
  byte_at(kReadWrite + 7) = 0xaa;
  // Another thread of the program writes to the same page meanwhile.
  const unsigned char other = 0xbb;
  ASSERT_TRUE(TargetMemory(child_).write(kReadWrite + 8, &other, 1));
  EXPECT_TRUE(window.leave());
  EXPECT_EQ(child_byte(kReadWrite + 7), 0xaa);
  EXPECT_EQ(child_byte(kReadWrite + 8), 0xbb);
}

TEST_F(UserWindowTest, APageThatStaysIsReadAgainAtTheNextEntry) {
  UserWindow window;
  window.enter(space_);
  ASSERT_EQ(window.page_in(kReadWrite, false), UserWindow::PageIn::Done);
  EXPECT_TRUE(window.leave());
  const unsigned char changed = 0x99;
  ASSERT_TRUE(TargetMemory(child_).write(kReadWrite, &changed, 1));
  window.enter(space_);
  EXPECT_EQ(byte_at(kReadWrite), 0x99) << "no fault, and yet the present content";
  EXPECT_TRUE(window.leave());
}

TEST_F(UserWindowTest, WhoComesInWhileOthersAreInsideSeesThePresentContentAndLosesNobodysWrites) {
  UserWindow window;
  window.enter(space_);
  ASSERT_EQ(window.page_in(kReadWrite, true), UserWindow::PageIn::Done);
  byte_at(kReadWrite + 1) = 0xaa;
  const unsigned char changed = 0x99;
  ASSERT_TRUE(TargetMemory(child_).write(kReadWrite, &changed, 1));
  std::thread second([&] {
    window.enter(space_);
    EXPECT_EQ(window.page_in(kReadWrite, false), UserWindow::PageIn::Done);
    EXPECT_EQ(byte_at(kReadWrite), 0x99);
    EXPECT_EQ(byte_at(kReadWrite + 1), 0xaa) << "the first one's write";
    EXPECT_TRUE(window.leave());
  });
  second.join();
  EXPECT_TRUE(window.leave());
  EXPECT_EQ(child_byte(kReadWrite + 1), 0xaa);
}

TEST_F(UserWindowTest, RefusesWhatTheProgramItselfMayNotDo) {
  UserWindow window;
  window.enter(space_);
  EXPECT_EQ(window.page_in(kNoAccess, false), UserWindow::PageIn::NotMapped);
  EXPECT_EQ(window.page_in(kReadOnly, true), UserWindow::PageIn::NotMapped);
  EXPECT_EQ(window.page_in(kReadOnly, false), UserWindow::PageIn::Done);
  EXPECT_EQ(window.page_in(kReadOnly, true), UserWindow::PageIn::NotMapped)
      << "also after it was read";
  EXPECT_EQ(window.page_in(0x10000000, false), UserWindow::PageIn::NotMapped);
  EXPECT_EQ(window.page_in(0xffff800000000000, false), UserWindow::PageIn::NotMapped);
  EXPECT_TRUE(window.leave());
}

TEST_F(UserWindowTest, AWriteAfterAReadOfTheSamePageIsAllowedWhereTheProgramMay) {
  UserWindow window;
  window.enter(space_);
  ASSERT_EQ(window.page_in(kReadWrite, false), UserWindow::PageIn::Done);
  ASSERT_EQ(window.page_in(kReadWrite, true), UserWindow::PageIn::Done);
  byte_at(kReadWrite) = 0x77;
  EXPECT_TRUE(window.leave());
  EXPECT_EQ(child_byte(kReadWrite), 0x77);
}

TEST_F(UserWindowTest, SaysWhatTheSupervisorItselfOccupies) {
  UserWindow window;
  window.enter(space_);
  // The child was forked from this process: its copy of this function is where ours is.
  const auto occupied = reinterpret_cast<uint64_t>(&map_in_child);
  EXPECT_EQ(window.page_in(occupied, false), UserWindow::PageIn::Unreachable);
  EXPECT_TRUE(window.leave());
  EXPECT_NE(UserWindow::overlaps(child_), "");
}

TEST_F(UserWindowTest, HoldsMorePagesThanFitByWritingOldOnesBack) {
  UserWindow window;
  window.enter(space_);
  for (size_t i = 0; i < kManyPages; ++i) {
    ASSERT_EQ(window.page_in(kMany + i * kPageSize, true), UserWindow::PageIn::Done) << i;
    byte_at(kMany + i * kPageSize) = static_cast<unsigned char>(i);
  }
  EXPECT_TRUE(window.leave());
  for (size_t i = 0; i < kManyPages; ++i) {
    ASSERT_EQ(child_byte(kMany + i * kPageSize), static_cast<unsigned char>(i)) << i;
  }
}

TEST_F(UserWindowTest, APageThatTheProgramUnmappedMeanwhileIsReportedAsLost) {
  UserWindow window;
  window.enter(space_);
  ASSERT_EQ(window.page_in(kReadWrite, true), UserWindow::PageIn::Done);
  byte_at(kReadWrite) = 1;
  kill(child_, SIGKILL);
  waitpid(child_, nullptr, 0);
  EXPECT_FALSE(window.leave());
}

TEST_F(UserWindowTest, AnotherAddressSpaceWaitsUntilThisOneIsOut) {
  UserWindow window;
  window.enter(space_);
  ASSERT_EQ(window.page_in(kReadWrite, false), UserWindow::PageIn::Done);
  std::atomic<bool> second_inside{false};
  std::thread second([&] {
    window.enter({getpid(), 2});
    second_inside = true;
    static_cast<void>(window.leave());
  });
  // The same space does not wait.
  std::thread same([&] {
    window.enter(space_);
    static_cast<void>(window.leave());
  });
  same.join();
  EXPECT_FALSE(second_inside);
  EXPECT_TRUE(window.leave());
  second.join();
  EXPECT_TRUE(second_inside);
}

}  // namespace
}  // namespace kebound::supervisor
