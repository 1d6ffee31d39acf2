// SPDX-License-Identifier: Apache-2.0
#include "hosts/fake/fake_host.h"

#include <gmock/gmock.h>

#include "include/nt/wdm.h"

namespace kebound::fake {
namespace {

using Ending = Outcome::Ending;

BOUND_CALLBACK_STATUS clamp() {
  KTRAP_FRAME& frame = *KeGetCurrentThread()->TrapFrame;
  frame.Rax = static_cast<uint32_t>(reinterpret_cast<const int32_t*>(frame.Rdx)[1]);
  return BoundExceptionHandled;
}
BOUND_CALLBACK_STATUS error() { return BoundExceptionError; }
BOUND_CALLBACK_STATUS nonsense() { return __builtin_bit_cast(BOUND_CALLBACK_STATUS, 17); }
BOUND_CALLBACK_STATUS unedited() { return BoundExceptionHandled; }

// One host and one image in the whole process: the facility is the process's, as in every host.
struct World {
  FakeHost host{Options{.livelock_limit = 20}};
  nt::Image image = program_image(nullptr);
  World() { nt::Facility::add_image(&image); }
};

class FakeHostTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new World; }
  FakeHost& host() { return world_->host; }

  PVOID add(PBOUND_CALLBACK routine) {
    routine_ = routine;
    EXPECT_TRUE(host().run_driver_code(
        [](void* self) {
          auto* const test = static_cast<FakeHostTest*>(self);
          test->handle_ = KeRegisterBoundCallback(test->routine_);
        },
        this));
    EXPECT_NE(handle_, nullptr);
    return handle_;
  }
  void TearDown() override {
    if (handle_ == nullptr || host().bug_check_record()) return;
    EXPECT_TRUE(
        host().run_driver_code([](void* handle) { KeDeregisterBoundCallback(handle); }, handle_));
  }

  static World* world_;
  PBOUND_CALLBACK routine_ = nullptr;
  PVOID handle_ = nullptr;
};
World* FakeHostTest::world_ = nullptr;

TEST_F(FakeHostTest, AnIndexInRangePassesWithoutAnException) {
  host().set_bounds(0, 0, 9);
  const Outcome outcome = host().raise(0, host().registers_at_bound(0, 5));
  EXPECT_EQ(outcome.ending, Ending::Resumed);
  EXPECT_EQ(outcome.exceptions, 0u);
  EXPECT_EQ(outcome.registers.rip, host().bound_address() + 2);
}

TEST_F(FakeHostTest, WithNobodyRegisteredItPropagatesUntouched) {
  host().set_bounds(1, 0, 9);
  const x86::Registers registers = host().registers_at_bound(1, 12);
  const Outcome outcome = host().raise(1, registers);
  EXPECT_EQ(outcome.ending, Ending::Propagated);
  EXPECT_EQ(outcome.verdict, x86::BoundVerdict::Exceeded);
  EXPECT_EQ(outcome.registers, registers);
}

TEST_F(FakeHostTest, ARepairedIndexPassesTheSameCheckAgain) {
  add(clamp);
  host().set_bounds(2, -3, 7);
  const Outcome outcome = host().raise(2, host().registers_at_bound(2, 12));
  EXPECT_EQ(outcome.ending, Ending::Resumed);
  EXPECT_EQ(outcome.registers.gpr[x86::Rax], 7u);
  EXPECT_EQ(outcome.exceptions, 1u);
}

TEST_F(FakeHostTest, AFaultOnTheBoundsIsNoBoundException) {
  add(clamp);
  x86::Registers registers = host().registers_at_bound(0, 12);
  registers.gpr[x86::Rdx] = host().unmapped_address();
  const Outcome outcome = host().raise(0, registers);
  EXPECT_EQ(outcome.ending, Ending::Propagated);
  EXPECT_EQ(outcome.verdict, x86::BoundVerdict::Unreadable);
}

TEST_F(FakeHostTest, ErrorTerminates) {
  add(error);
  host().set_bounds(0, 0, 9);
  EXPECT_EQ(host().raise(0, host().registers_at_bound(0, 12)).ending, Ending::Terminated);
}

TEST_F(FakeHostTest, TheLivelockGuardTerminatesAtItsLimit) {
  add(unedited);
  host().set_bounds(3, 0, 9);
  const Outcome outcome = host().raise(3, host().registers_at_bound(3, 12));
  EXPECT_EQ(outcome.ending, Ending::Terminated);
  EXPECT_EQ(outcome.exceptions, 20u);
  EXPECT_THAT(outcome.reason, testing::HasSubstr("livelock"));
}

// The last one: the host does not survive it.
TEST_F(FakeHostTest, ZAnInvalidAnswerEndsTheHostWithARecord) {
  add(nonsense);
  host().set_bounds(0, 0, 9);
  EXPECT_EQ(host().raise(0, host().registers_at_bound(0, 12)).ending, Ending::HostDead);
  ASSERT_TRUE(host().bug_check_record().has_value());
  const nt::BugCheck record = *host().bug_check_record();
  EXPECT_EQ(record.code, 0x7Fu);
  EXPECT_EQ(record.parameters[0], 5u);
  EXPECT_THAT(record.callback, testing::HasSubstr("nonsense"));
  EXPECT_EQ(record.tid, kProcessId + 1);
}

}  // namespace
}  // namespace kebound::fake
