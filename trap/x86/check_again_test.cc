// SPDX-License-Identifier: Apache-2.0
//
// Checks of an index that is calculated again for the access, as gcc does without optimization.
#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

class CalculatedAgain : public CheckRecovery {
 protected:
  // At the ud2 that `check` ends with, with index 12 in rax, limit 9.
  void stop(std::vector<uint8_t> check, const std::vector<uint8_t>& behind) {
    const uint64_t trap = check.size() - 2;
    check.insert(check.end(), behind.begin(), behind.end());
    function(check, trap);
    registers.gpr[Rbp] = kStack + 0x100;
    registers.gpr[Rax] = 12;
    compared(12, 9);
  }
  void expect_index() {
    ASSERT_TRUE(recover());
    EXPECT_GE(event.confidence, Confidence::Likely);
    EXPECT_EQ(event.index, 12);
    EXPECT_EQ(event.upper, 9);
    EXPECT_FALSE(event.resumable) << "the access calculates from what would not be corrected";
    EXPECT_EQ(event.doubt, Doubt::DerivedValues);
  }
};

// push %rbp; mov %rsp,%rbp; mov %edi,-4(%rbp); mov -4(%rbp),%eax; shr %eax; mov %eax,%eax;
// cmp $9,%rax; jbe 1f; ud2; 1:
const std::vector<uint8_t> kHalf = {0x55, 0x48, 0x89, 0xe5, 0x89, 0x7d, 0xfc, 0x8b,
                                    0x45, 0xfc, 0xd1, 0xe8, 0x89, 0xc0, 0x48, 0x83,
                                    0xf8, 0x09, 0x76, 0x02, 0x0f, 0x0b};

TEST_F(CalculatedAgain, TheSameOperationsOnTheSameValuesGiveTheIndex) {
  // mov -4(%rbp),%edx; shr %edx; mov %edx,%edx; mov (%rsi,%rdx,4),%eax; pop %rbp; ret
  stop(kHalf, {0x8b, 0x55, 0xfc, 0xd1, 0xea, 0x89, 0xd2, 0x8b, 0x04, 0x96, 0x5d, 0xc3});
  expect_index();
}

TEST_F(CalculatedAgain, AVariableThatHasChangedGivesAnotherNumber) {
  // addl $2,-4(%rbp); and as above: assert(u / 2 < 10); u += 2; p[u / 2]
  stop(kHalf, {0x83, 0x45, 0xfc, 0x02, 0x8b, 0x55, 0xfc, 0xd1, 0xea, 0x89, 0xd2, 0x8b, 0x04, 0x96,
               0x5d, 0xc3});
  EXPECT_FALSE(recover());
}

TEST_F(CalculatedAgain, AnotherOperationGivesAnotherNumber) {
  // mov -4(%rbp),%edx; shr $2,%edx; mov %edx,%edx; mov (%rsi,%rdx,4),%eax; pop %rbp; ret
  stop(kHalf, {0x8b, 0x55, 0xfc, 0xc1, 0xea, 0x02, 0x89, 0xd2, 0x8b, 0x04, 0x96, 0x5d, 0xc3});
  EXPECT_FALSE(recover());
}

TEST_F(CalculatedAgain, NothingIsSaidBehindADecisionOfTheProgram) {
  // test %ecx,%ecx; je 2f; mov %ecx,-4(%rbp); 2: mov -4(%rbp),%edx; shr %edx; mov %edx,%edx;
  // mov (%rsi,%rdx,4),%eax; pop %rbp; ret
  stop(kHalf, {0x85, 0xc9, 0x74, 0x03, 0x89, 0x4d, 0xfc, 0x8b, 0x55, 0xfc, 0xd1, 0xea, 0x89, 0xd2,
               0x8b, 0x04, 0x96, 0x5d, 0xc3});
  EXPECT_FALSE(recover());
}

// push %rbp; mov %rsp,%rbp; mov %rdi,-8(%rbp); mov -8(%rbp),%rax; movzbl (%rax),%eax;
// cmp $9,%rax; jbe 1f; ud2; 1:
const std::vector<uint8_t> kLoaded = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0x7d, 0xf8,
                                      0x48, 0x8b, 0x45, 0xf8, 0x0f, 0xb6, 0x00, 0x48,
                                      0x83, 0xf8, 0x09, 0x76, 0x02, 0x0f, 0x0b};

TEST_F(CalculatedAgain, WhatIsReadAgainIsTheSameAsLongAsNothingIsWritten) {
  // mov -8(%rbp),%rcx; movzbl (%rcx),%ecx; mov (%rsi,%rcx,4),%eax; pop %rbp; ret
  stop(kLoaded, {0x48, 0x8b, 0x4d, 0xf8, 0x0f, 0xb6, 0x09, 0x8b, 0x04, 0x8e, 0x5d, 0xc3});
  expect_index();
}

TEST_F(CalculatedAgain, WhatIsReadBehindAStoreMayBeAnotherNumber) {
  // movb $0,(%rdx); and as above: assert(*p < 10); *q = 0; array[*p]
  stop(kLoaded,
       {0xc6, 0x02, 0x00, 0x48, 0x8b, 0x4d, 0xf8, 0x0f, 0xb6, 0x09, 0x8b, 0x04, 0x8e, 0x5d, 0xc3});
  EXPECT_FALSE(recover());
}

// push %rbp; mov %rsp,%rbp; mov %edi,-4(%rbp); mov %esi,-8(%rbp); mov -4(%rbp),%eax; cltd;
// idivl -8(%rbp); mov %edx,%eax; cltq; cmp $9,%rax; jbe 1f; ud2; 1:
const std::vector<uint8_t> kRest = {0x55, 0x48, 0x89, 0xe5, 0x89, 0x7d, 0xfc, 0x89, 0x75, 0xf8,
                                    0x8b, 0x45, 0xfc, 0x99, 0xf7, 0x7d, 0xf8, 0x89, 0xd0, 0x48,
                                    0x98, 0x48, 0x83, 0xf8, 0x09, 0x76, 0x02, 0x0f, 0x0b};

TEST_F(CalculatedAgain, ARestOfADivisionIsTheIndex) {
  // mov -4(%rbp),%eax; cltd; idivl -8(%rbp); movslq %edx,%rdx; mov (%rcx,%rdx,4),%eax; pop %rbp;
  // ret
  stop(kRest,
       {0x8b, 0x45, 0xfc, 0x99, 0xf7, 0x7d, 0xf8, 0x48, 0x63, 0xd2, 0x8b, 0x04, 0x91, 0x5d, 0xc3});
  expect_index();
}

TEST_F(CalculatedAgain, TheQuotientIsNotTheRest) {
  // mov -4(%rbp),%eax; cltd; idivl -8(%rbp); cltq; mov (%rcx,%rax,4),%eax; pop %rbp; ret
  stop(kRest, {0x8b, 0x45, 0xfc, 0x99, 0xf7, 0x7d, 0xf8, 0x48, 0x98, 0x8b, 0x04, 0x81, 0x5d, 0xc3});
  EXPECT_FALSE(recover());
}

TEST_F(CalculatedAgain, ASumIsTheSameHoweverItIsAddedUp) {
  // push %rbp; mov %rsp,%rbp; mov %edi,-4(%rbp); mov -4(%rbp),%edx; mov %edx,%eax; add %eax,%eax;
  // add %edx,%eax; sub $1,%eax; cltq; cmp $9,%rax; jbe 1f; ud2; 1: mov -4(%rbp),%ecx;
  // mov %ecx,%edx; add %edx,%edx; add %ecx,%edx; lea -1(%rdx),%eax; cltq;
  // mov (%rsi,%rax,4),%eax; pop %rbp; ret
  stop({0x55, 0x48, 0x89, 0xe5, 0x89, 0x7d, 0xfc, 0x8b, 0x55, 0xfc, 0x89, 0xd0, 0x01, 0xc0, 0x01,
        0xd0, 0x83, 0xe8, 0x01, 0x48, 0x98, 0x48, 0x83, 0xf8, 0x09, 0x76, 0x02, 0x0f, 0x0b},
       {0x8b, 0x4d, 0xfc, 0x89, 0xca, 0x01, 0xd2, 0x01, 0xca, 0x8d, 0x42, 0xff, 0x48, 0x98, 0x8b,
        0x04, 0x86, 0x5d, 0xc3});
  expect_index();
}

// Of a part of the compared number, that is not calculated again but accessed beside it.
TEST_F(CheckRecovery, WhereAPartOfTheNumberIsAnIndexTheCheckMayBeOne) {
  // mov %edi,%eax; shr %eax; cmp $19,%edi; ja 1f; mov %eax,%eax; mov (%rdx,%rax,4),%eax;
  // mov %edi,%edi; add (%rsi,%rdi,4),%eax; ret; 1: ud2: ten[u / 2] + p[u]
  function({0x89, 0xf8, 0xd1, 0xe8, 0x83, 0xff, 0x13, 0x77, 0x0b, 0x89, 0xc0,
            0x8b, 0x04, 0x82, 0x89, 0xff, 0x03, 0x04, 0xbe, 0xc3, 0x0f, 0x0b},
           20);
  registers.gpr[Rdi] = 24;
  registers.gpr[Rax] = 12;
  compared(24, 19, 32);
  ASSERT_TRUE(recover()) << "a failed check, of what number is not known";
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

TEST_F(CheckRecovery, APartWithACheckOfItsOwnIsThatChecksMatter) {
  // The same with cmp $9,%eax; ja 1f behind the first check.
  function({0x89, 0xf8, 0xd1, 0xe8, 0x83, 0xff, 0x13, 0x77, 0x10, 0x83, 0xf8, 0x09, 0x77, 0x0b,
            0x89, 0xc0, 0x8b, 0x04, 0x82, 0x89, 0xff, 0x03, 0x04, 0xbe, 0xc3, 0x0f, 0x0b},
           25);
  registers.gpr[Rdi] = 27;
  registers.gpr[Rax] = 13;
  compared(27, 19, 32);
  ASSERT_TRUE(recover()) << doubt_text(event.doubt);
  EXPECT_EQ(event.index, 27);
  EXPECT_EQ(event.upper, 19);
}

}  // namespace
}  // namespace kebound::x86
