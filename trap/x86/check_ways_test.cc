// SPDX-License-Identifier: Apache-2.0
//
// One trap of several checks, whose compares have the same flags: by which way has the thread come?
#include <algorithm>

#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

class Ways : public CheckRecovery {
 protected:
  void expect_several() {
    ASSERT_TRUE(recover()) << doubt_text(event.doubt);
    EXPECT_EQ(event.confidence, Confidence::Unknown);
    EXPECT_EQ(event.doubt, Doubt::SeveralCandidates);
  }
  // ten[k + 3] and then seven[k] fail with the same flags.
  void sum(const std::vector<uint8_t>& code) {
    mode = CodeMode::Bits32;
    function(code, code.size() - 2);
    memory.write_value<uint32_t>(kStack + 4, 8);
    registers.gpr[Rdx] = 8;
    registers.gpr[Rax] = 11;
    compared(11, 9, 32);
  }
};

// movzbl 4(%esp),%edx; lea 3(%edx),%eax; cmp $9,%eax; ja 1f; mov 0x8ac(%ecx,%eax,4),%eax;
// cmp $6,%edx; ja 1f; add 0x878(%ecx,%edx,4),%eax; ret; 1: ud2
const std::vector<uint8_t> kSum = {0x0f, 0xb6, 0x54, 0x24, 0x04, 0x8d, 0x42, 0x03, 0x83,
                                   0xf8, 0x09, 0x77, 0x14, 0x8b, 0x84, 0x81, 0xac, 0x08,
                                   0x00, 0x00, 0x83, 0xfa, 0x06, 0x77, 0x08, 0x03, 0x84,
                                   0x91, 0x78, 0x08, 0x00, 0x00, 0xc3, 0x0f, 0x0b};

TEST_F(Ways, AnEarlierCheckOfWhatIsStillThereWouldHaveFailed) {
  sum(kSum);
  ASSERT_TRUE(recover()) << doubt_text(event.doubt);
  EXPECT_GE(event.confidence, Confidence::Likely);
  EXPECT_EQ(event.index, 11);
  EXPECT_EQ(event.upper, 9);
}

TEST_F(Ways, OfAnIndexThatCannotBeCalculatedAnyMoreThatIsNotKnown) {
  std::vector<uint8_t> code = kSum;
  const uint8_t load[] = {0x8b, 0x03, 0x90};  // mov (%ebx),%eax; nop
  std::copy(std::begin(load), std::end(load), code.begin() + 5);
  sum(code);
  expect_several();
}

TEST_F(Ways, BehindACorrectionItsCalculationIsNoEvidence) {
  sum(kSum);
  ASSERT_TRUE(recover()) << doubt_text(event.doubt);
  ASSERT_TRUE(event.resumable);
  const Registers after = corrected();
  EXPECT_EQ(after.gpr[Rax], 9u);
  // The second check fails in its turn; the element that was read is as the index was.
  registers.gpr[Rdx] = 8;
  registers.gpr[Rax] = 11;
  compared(8, 6, 32);
  expect_several();
  // With another element the first check is out of the question, and the second is not.
  registers.gpr[Rax] = 5000;
  ASSERT_TRUE(recover()) << doubt_text(event.doubt);
  EXPECT_GE(event.confidence, Confidence::Likely);
  EXPECT_EQ(event.index, 8);
  EXPECT_EQ(event.upper, 6);
}

// xor %eax,%eax; 3: cmp %eax,%ebx; jb 1f; mov %eax,(%edi,%eax,4); inc %eax; cmp %eax,%ecx; jne 3b;
// cmp %esi,%ebx; jb 1f; mov (%edi,%esi,4),%eax; ret; 1: ud2
const std::vector<uint8_t> kLoop = {0x31, 0xc0, 0x39, 0xc3, 0x72, 0x10, 0x89, 0x04,
                                    0x87, 0x40, 0x39, 0xc1, 0x75, 0xf4, 0x39, 0xf3,
                                    0x72, 0x04, 0x8b, 0x04, 0xb7, 0xc3, 0x0f, 0x0b};

TEST_F(Ways, WhereALoopNeitherBeginsNorGoesOnItsCheckHasNotFailed) {
  mode = CodeMode::Bits32;
  function(kLoop, 22);
  registers.gpr[Rax] = registers.gpr[Rcx] = 4;
  registers.gpr[Rbx] = 3;
  registers.gpr[Rsi] = 7;
  compared(3, 7, 32);  // the flags of 3 - 4, too
  ASSERT_TRUE(recover()) << doubt_text(event.doubt);
  EXPECT_GE(event.confidence, Confidence::Likely);
  EXPECT_EQ(event.index, 7);
  EXPECT_EQ(event.upper, 3);
}

TEST_F(Ways, WhereALoopWouldGoOnNothingBehindItHasFailed) {
  mode = CodeMode::Bits32;
  function(kLoop, 22);
  registers.gpr[Rax] = 4;
  registers.gpr[Rcx] = 9;
  registers.gpr[Rbx] = 3;
  registers.gpr[Rsi] = 7;
  compared(3, 4, 32);
  ASSERT_TRUE(recover()) << doubt_text(event.doubt);
  EXPECT_EQ(event.index, 4);
  EXPECT_EQ(event.upper, 3);
}

TEST_F(Ways, ALoopThatBeginsMayHaveFailed) {
  mode = CodeMode::Bits32;
  function(kLoop, 22);
  registers.gpr[Rax] = registers.gpr[Rcx] = 0;
  registers.gpr[Rbx] = 0xffffffff;
  registers.gpr[Rsi] = 7;
  compared(registers.gpr[Rbx], 0, 32);
  EXPECT_FALSE(recover()) << "0 is not above it: no check has failed";
}

// movzbl %dil,%edx; lea 4(%rdx),%eax; cmp $10,%rax; ja 1f; mov (%rsi,%rax,4),%edi;
// movslq %edx,%rcx; call 2f; cmp $6,%edx; ja 1f; mov (%rsi,%rcx,4),%eax; ret; 1: ud2
const std::vector<uint8_t> kCall = {0x40, 0x0f, 0xb6, 0xd7, 0x8d, 0x42, 0x04, 0x48, 0x83,
                                    0xf8, 0x0a, 0x77, 0x15, 0x8b, 0x3c, 0x86, 0x90, 0x48,
                                    0x63, 0xca, 0xe8, 0x0b, 0x00, 0x00, 0x00, 0x83, 0xfa,
                                    0x06, 0x77, 0x04, 0x8b, 0x04, 0x8e, 0xc3, 0x0f, 0x0b};

class WaysPastACall : public Ways {
 protected:
  void called(const std::vector<uint8_t>& callee) {
    function(kCall, 34);
    memory.write(kCode + 36, callee);
    registers.gpr[Rdi] = registers.gpr[Rdx] = registers.gpr[Rcx] = 9;
    registers.gpr[Rax] = 13;
    compared(13, 10);  // and 9 - 6 has these flags
  }
};

TEST_F(WaysPastACall, AFunctionLeavesAloneWhatItsCodeDoesNotWrite) {
  // xor %eax,%eax; test %rdi,%rdi; setne %al; ret
  called({0x31, 0xc0, 0x48, 0x85, 0xff, 0x0f, 0x95, 0xc0, 0xc3});
  ASSERT_TRUE(recover()) << doubt_text(event.doubt);
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 13);
  EXPECT_EQ(event.upper, 10);
}

TEST_F(WaysPastACall, WhatItWritesIsAnotherNumberThen) {
  // xor %edx,%edx; test %rdi,%rdi; setne %dl; ret
  called({0x31, 0xd2, 0x48, 0x85, 0xff, 0x0f, 0x95, 0xc2, 0xc3});
  EXPECT_FALSE(recover());
}

TEST_F(WaysPastACall, AFunctionThatIsLeftByAJumpMayWriteAnything) {
  // test %rdi,%rdi; je -512; ret
  called({0x48, 0x85, 0xff, 0x0f, 0x84, 0xf7, 0xfd, 0xff, 0xff, 0xc3});
  EXPECT_FALSE(recover());
}

TEST_F(WaysPastACall, AJumpIntoAnInstructionMayExecuteAnything) {
  // test %rdi,%rdi; je 1f + 1; 1: mov $0xc3d231,%eax; ret
  called({0x48, 0x85, 0xff, 0x74, 0x01, 0xb8, 0x31, 0xd2, 0xc3, 0x00, 0xc3});
  EXPECT_FALSE(recover());
}

}  // namespace
}  // namespace kebound::x86
