// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/resume.h"

#include <gtest/gtest.h>

namespace kebound::x86 {
namespace {

using Kind = IndexPlace::Kind;
using Extension = IndexPlace::Extension;

// A check of 12 against [0, 9] at 0x1000, its trap at 0x1100, the index in edi.
class ResumeTest : public ::testing::Test {
 protected:
  ResumeTest() {
    event_.source = BoundSource::ClangTrap;
    event_.confidence = Confidence::Certain;
    event_.index_register = Rdi;
    event_.index_width = 32;
    event_.ip = 0x1000;
    event_.trap_ip = 0x1100;
    event_.index = 12;
    event_.index_raw = 12;
    event_.upper = 9;
    recovery_.resume_ip = 0xff8;
    seen_.rip = event_.ip;
    seen_.gpr[Rdi] = 0xaaaaaaaa0000000c;
    seen_.gpr[Rax] = 12;
    after_ = seen_;
  }

  void place(IndexPlace place) { recovery_.places[recovery_.place_count++] = place; }
  ResumePlan plan(const int64_t* corrected = nullptr) {
    return plan_resumption(event_, recovery_, seen_, corrected, after_);
  }

  BoundEvent event_;
  Recovery recovery_;
  Registers seen_;
  Registers after_;
};

TEST_F(ResumeTest, A_corrected_register_reaches_every_copy_at_its_width) {
  place({Kind::Register, Rdi, 32, Extension::None, 0, 0});
  place({Kind::Register, Rax, 32, Extension::Sign, 0, 0});
  place({Kind::Memory, 0, 32, Extension::None, 0, 0x7000});
  after_.gpr[Rdi] = 0xfffffffe;  // -2: drivers are free to clear the upper half
  const ResumePlan made = plan();
  EXPECT_EQ(made.verdict, Resumption::Resume);
  EXPECT_EQ(after_.rip, 0xff8u);
  EXPECT_EQ(after_.gpr[Rax], ~uint64_t{1});
  EXPECT_EQ(after_.gpr[Rdi], 0xfffffffeu);
  ASSERT_EQ(made.write_count, 1);
  EXPECT_EQ(made.writes[0].address, 0x7000u);
  EXPECT_EQ(made.writes[0].value, 0xfffffffeu);
  EXPECT_EQ(made.writes[0].size, 4);
}

TEST_F(ResumeTest, An_index_given_beside_the_registers_counts) {
  place({Kind::Register, R12, 64, Extension::None, -1, 0});
  const int64_t nine = 9;
  EXPECT_EQ(plan(&nine).verdict, Resumption::Resume);
  EXPECT_EQ(after_.gpr[R12], 8u);
}

TEST_F(ResumeTest, Without_a_correction_nothing_is_written_and_the_check_runs_again) {
  place({Kind::Memory, 0, 32, Extension::None, 0, 0x7000});
  const ResumePlan made = plan();
  EXPECT_EQ(made.verdict, Resumption::Resume);
  EXPECT_EQ(made.write_count, 0);
  EXPECT_EQ(after_.rip, 0xff8u);
}

TEST_F(ResumeTest, What_cannot_be_executed_again_is_refused) {
  event_.resumable = false;
  after_.gpr[Rdi] = 9;
  EXPECT_EQ(plan().verdict, Resumption::NotResumable);
}

TEST_F(ResumeTest, Nobody_goes_on_behind_a_trap) {
  for (uint64_t ip = event_.trap_ip; ip <= event_.trap_ip + 5; ++ip) {
    after_.rip = ip;
    EXPECT_EQ(plan().verdict, Resumption::BehindTrap) << ip;
  }
  // Nor where the check is not known and stands for the trap.
  event_.ip = event_.trap_ip;
  event_.resumable = false;
  after_.rip = event_.trap_ip;
  EXPECT_EQ(plan().verdict, Resumption::NotResumable);
}

TEST_F(ResumeTest, A_callback_that_goes_elsewhere_has_its_will) {
  event_.resumable = false;
  after_.rip = 0x5000;
  EXPECT_EQ(plan().verdict, Resumption::Resume);
  EXPECT_EQ(after_.rip, 0x5000u);
}

TEST_F(ResumeTest, BOUND_resumes_with_the_registers_as_they_are) {
  event_.source = BoundSource::X86Bound;
  event_.trap_ip = event_.ip;
  after_.rip = event_.ip + 2;
  after_.gpr[Rdi] = 3;
  EXPECT_EQ(plan().verdict, Resumption::Resume);
  EXPECT_EQ(after_.rip, event_.ip + 2);
  EXPECT_EQ(after_.gpr[Rdi], 3u);
}

}  // namespace
}  // namespace kebound::x86
