// SPDX-License-Identifier: Apache-2.0
#include "hosts/driver/builtin_driver.h"

#include "nt/testing/nt_test.h"
#include "trap/x86/registers.h"

namespace kebound::driver {
namespace {

using nt::Facility;
using nt::Profile;
using ::testing::ElementsAre;

class BuiltinDriverTest : public nt::testing::NtTest {
 protected:
  BuiltinDriverTest() {
    Facility::configure(Profile::Default);
    event_.confidence = Confidence::Certain;
    event_.instruction_length = 2;
    event_.index_register = x86::Rcx;
    event_.index_width = 32;
    event_.index = 12;
    event_.lower = -1;
    event_.upper = 9;
    frame_.Rcx = 12;
    frame_.Rip = 0x1000;
  }
  ~BuiltinDriverTest() override { remove_builtin_driver(); }
  Verdict dispatch(OnBound policy) {
    EXPECT_TRUE(install_builtin_driver(policy));
    const Verdict verdict = Facility::dispatch(thread_, event_, frame_, &log_).verdict;
    remove_builtin_driver();
    return verdict;
  }
  BoundEvent event_;
  KTRAP_FRAME frame_{};
  nt::AnswerLog log_;
};

TEST_F(BuiltinDriverTest, Propagate_and_terminate_answer_and_touch_nothing) {
  EXPECT_EQ(dispatch(OnBound::Propagate), Verdict::NotHandled);
  EXPECT_EQ(dispatch(OnBound::Terminate), Verdict::Error);
  EXPECT_EQ(frame_.Rcx, 12U);
  EXPECT_EQ(frame_.Rip, 0x1000U);
}

TEST_F(BuiltinDriverTest, Clamp_sets_the_index_to_the_nearest_bound) {
  EXPECT_EQ(dispatch(OnBound::Clamp), Verdict::Handled);
  EXPECT_EQ(frame_.Rcx, 9U);
  EXPECT_EQ(frame_.Rip, 0x1000U);
  event_.index = -5;
  EXPECT_EQ(dispatch(OnBound::Clamp), Verdict::Handled);
  EXPECT_EQ(frame_.Rcx, 0xffffffffU);
}

TEST_F(BuiltinDriverTest, Clamping_16_bits_leaves_the_others) {
  event_.index_width = 16;
  frame_.Rcx = 0xaaaa000c;
  event_.upper = 3;
  EXPECT_EQ(dispatch(OnBound::Clamp), Verdict::Handled);
  EXPECT_EQ(frame_.Rcx, 0xaaaa0003U);
}

TEST_F(BuiltinDriverTest, Clamp_refuses_reversed_bounds_loudly) {
  event_.lower = 10;
  EXPECT_EQ(dispatch(OnBound::Clamp), Verdict::NotHandled);
  EXPECT_EQ(frame_.Rcx, 12U);
  EXPECT_THAT(take_rules(), ElementsAre("policy-refused"));
}

TEST_F(BuiltinDriverTest, Skip_steps_over_the_instruction) {
  EXPECT_EQ(dispatch(OnBound::Skip), Verdict::Handled);
  EXPECT_EQ(frame_.Rip, 0x1002U);
  EXPECT_EQ(frame_.Rcx, 12U);
}

TEST_F(BuiltinDriverTest, It_is_one_driver_with_one_registration) {
  EXPECT_TRUE(install_builtin_driver(OnBound::Clamp));
  EXPECT_FALSE(install_builtin_driver(OnBound::Skip));
  static_cast<void>(Facility::dispatch(thread_, event_, frame_, &log_));
  ASSERT_EQ(log_.count, 1U);
  EXPECT_EQ(log_.entries[0].image->name, "builtin");
  EXPECT_EQ(Facility::describe(reinterpret_cast<uint64_t>(log_.entries[0].routine)),
            "builtin!clamp");
}

TEST_F(BuiltinDriverTest, A_full_registry_refuses_it) {
  Facility::configure(Profile::Windows);
  PVOID taken = KeRegisterBoundCallback([]() { return BoundExceptionContinueSearch; });
  ASSERT_NE(taken, nullptr);
  EXPECT_FALSE(install_builtin_driver(OnBound::Clamp));
  KeDeregisterBoundCallback(taken);
}

}  // namespace
}  // namespace kebound::driver
