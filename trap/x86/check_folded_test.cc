// SPDX-License-Identifier: Apache-2.0
//
// Code of gcc and clang from other checks than the compare says.
#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

class FoldedChecks : public CheckRecovery {
 protected:
  // What is claimed where register `reg` has failed a compare with `limit`.
  Confidence claimed(uint8_t reg, uint64_t index, uint64_t limit, unsigned bits) {
    registers.gpr[reg] = index;
    compared(index, limit, bits);
    return recover() ? event.confidence : Confidence::Unknown;
  }
};

TEST_F(FoldedChecks, ANumberWhoseQuotientIsTheIndexOfARowIsNotTheOne) {
  // many[k / 2].list[k]: mov %edi,%eax; shr %eax; cmp $5,%edi; ja 1f; cmp $4,%edi; ja 2f;
  // mov %edi,%edi; lea (%rax,%rax,4),%rax; lea (%rdi,%rax,4),%rdx; movw $1,(%rcx,%rdx,2); ret;
  // 1: ud2; 2: ud2
  function({0x89, 0xf8, 0xd1, 0xe8, 0x83, 0xff, 0x05, 0x77, 0x16, 0x83, 0xff, 0x04,
            0x77, 0x13, 0x89, 0xff, 0x48, 0x8d, 0x04, 0x80, 0x48, 0x8d, 0x14, 0x87,
            0x66, 0xc7, 0x04, 0x51, 0x01, 0x00, 0xc3, 0x0f, 0x0b, 0x0f, 0x0b},
           31);
  registers.gpr[Rax] = 8;
  EXPECT_EQ(claimed(Rdi, 17, 5, 32), Confidence::Unknown);
}

TEST_F(FoldedChecks, ANumberThatIsAddedToWhatItsQuotientReadIsNoIndex) {
  // s += table[k / 8] + k: mov %edi,%edx; shr $3,%edx; cmp $255,%edi; ja 1f;
  // mov (%rcx,%rdx,4),%edx; lea 1(%rdx,%rdi),%rax; ret; 1: ud2
  function({0x89, 0xfa, 0xc1, 0xea, 0x03, 0x81, 0xff, 0xff, 0x00, 0x00, 0x00, 0x77,
            0x09, 0x8b, 0x14, 0x91, 0x48, 0x8d, 0x44, 0x3a, 0x01, 0xc3, 0x0f, 0x0b},
           22);
  registers.gpr[Rdx] = 1000 >> 3;
  EXPECT_EQ(claimed(Rdi, 1000, 255, 32), Confidence::Unknown);
}

// movzbl %dil,%eax; cmp $6,%eax; ja 1f; add %eax,%eax; mov (%rcx,%rax,4),%eax; ret; 1: ud2
const std::vector<uint8_t> kTwice = {0x40, 0x0f, 0xb6, 0xc7, 0x83, 0xf8, 0x06, 0x77, 0x06,
                                     0x01, 0xc0, 0x8b, 0x04, 0x81, 0xc3, 0x0f, 0x0b};

TEST_F(FoldedChecks, GccDividesALimitByAPowerOfTwo) {
  function(kTwice, 15);
  registers.gpr[Rdi] = 7;
  EXPECT_EQ(claimed(Rax, 7, 6, 32), Confidence::Unknown);
}

TEST_F(FoldedChecks, GccDividesALimitByNothingElse) {
  // lea (%rax,%rax,2),%eax in place of add %eax,%eax: an array of structures of three
  function({0x40, 0x0f, 0xb6, 0xc7, 0x83, 0xf8, 0x06, 0x77, 0x07, 0x8d, 0x04, 0x40, 0x8b, 0x04,
            0x81, 0xc3, 0x0f, 0x0b},
           16);
  registers.gpr[Rdi] = 7;
  EXPECT_NE(claimed(Rax, 7, 6, 32), Confidence::Unknown);
  EXPECT_EQ(event.index, 7);
  EXPECT_EQ(event.upper, 6);
}

TEST_F(FoldedChecks, TheShiftsOfASignExtensionAreNoQuotient) {
  // shl $32,%rdi; mov %rdi,%rax; sar $32,%rax; cmp $9,%rax; ja 1f; sar $30,%rdi;
  // mov (%rcx,%rdi),%eax; ret; 1: ud2
  function({0x48, 0xc1, 0xe7, 0x20, 0x48, 0x89, 0xf8, 0x48, 0xc1, 0xf8, 0x20, 0x48, 0x83, 0xf8,
            0x09, 0x77, 0x08, 0x48, 0xc1, 0xff, 0x1e, 0x8b, 0x04, 0x39, 0xc3, 0x0f, 0x0b},
           25);
  registers.gpr[Rdi] = uint64_t{12} << 32;
  const Confidence shifted = claimed(Rax, 12, 9, 64);
  EXPECT_TRUE(shifted == Confidence::Unknown || event.index == 12);
}

TEST_F(FoldedChecks, WhereClangMadeOneCheckOfARowsAndAnElementsTheLimitIsNeithers) {
  // many[k].list[2 * k]: mov (%rsi),%rdi; cmp $2,%rdi; jae 1f; imul $76,%rdi,%rax; add %rcx,%rax;
  // mov (%rax,%rdi,8),%eax; ret; 1: ud1
  function({0x48, 0x8b, 0x3e, 0x48, 0x83, 0xff, 0x02, 0x73, 0x0b, 0x48, 0x6b, 0xc7, 0x4c,
            0x48, 0x01, 0xc8, 0x8b, 0x04, 0xf8, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
           20);
  EXPECT_EQ(claimed(Rdi, 5, 2, 64), Confidence::Unknown);
}

TEST_F(FoldedChecks, WhereClangMadeOneCheckOfTwoArraysOneMayHaveASum) {
  // one[k] + other[k + 3]: mov (%rsi),%rdi; cmp $10,%rdi; jae 1f; mov (%rcx,%rdi,4),%eax;
  // add 12(%rdx,%rdi,4),%eax; ret; 1: ud1
  function({0x48, 0x8b, 0x3e, 0x48, 0x83, 0xff, 0x0a, 0x73, 0x08, 0x8b, 0x04,
            0xb9, 0x03, 0x44, 0xba, 0x0c, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
           17);
  EXPECT_EQ(claimed(Rdi, 13, 10, 64), Confidence::Unknown);
}

TEST_F(FoldedChecks, TwoArraysWithTwoChecksAreTheirOwn) {
  // cmp $10,%rdi; jae 1f; mov (%rcx,%rdi,4),%eax; cmp $7,%rdi; jae 1f; add (%rdx,%rdi,4),%eax; ret;
  // 1: ud1
  function({0x48, 0x83, 0xff, 0x0a, 0x73, 0x0d, 0x8b, 0x04, 0xb9, 0x48, 0x83, 0xff,
            0x07, 0x73, 0x04, 0x03, 0x04, 0xba, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
           19);
  EXPECT_NE(claimed(Rdi, 8, 7, 64), Confidence::Unknown);
  EXPECT_EQ(event.upper, 6);
}

TEST_F(FoldedChecks, WhatIsZeroIsNotBelowOne) {
  // table[8 * k] of three: lea (,%rdi,8),%rax; test %rax,%rax; jne 1f; movw $1,(%rcx,%rax,2); ret;
  // 1: ud1
  function({0x48, 0x8d, 0x04, 0xfd, 0x00, 0x00, 0x00, 0x00, 0x48, 0x85, 0xc0, 0x75, 0x07,
            0x66, 0xc7, 0x04, 0x41, 0x01, 0x00, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
           20);
  registers.gpr[Rdi] = 8;
  registers.gpr[Rax] = 64;
  registers.rflags = 0x202;
  EXPECT_FALSE(recover() && event.confidence != Confidence::Unknown);
}

TEST_F(FoldedChecks, ACheckThatAlwaysFailsHasNoCompare) {
  // one[k - 16] = 1, other[k]: behind the first one the second one fails. cmp $100,%rax; jae 1f;
  // movl $1,(%rcx,%rax,4); mov %rdx,%rax; 1: ud1
  function({0x48, 0x83, 0xf8, 0x64, 0x73, 0x0a, 0xc7, 0x04, 0x81, 0x01, 0x00,
            0x00, 0x00, 0x48, 0x89, 0xd0, 0x67, 0x0f, 0xb9, 0x40, 0x12},
           16);
  EXPECT_EQ(claimed(Rax, 0x5000, 100, 64), Confidence::Unknown);
}

TEST_F(FoldedChecks, AConstantInsideOfAMultipleIsNotTheOneOfTheIndex) {
  // list[3ll * k + 1] of seven, k = (input & 255) - 8: movzbl %dil,%eax; add $-8,%eax;
  // lea (%rax,%rax,2),%rax; cmp $6,%rax; jae 1f; movw $1,0x86(%rcx,%rax,2); ret; 1: ud1
  function({0x40, 0x0f, 0xb6, 0xc7, 0x83, 0xc0, 0xf8, 0x48, 0x8d, 0x04, 0x40,
            0x48, 0x83, 0xf8, 0x06, 0x73, 0x0b, 0x66, 0xc7, 0x84, 0x41, 0x86,
            0x00, 0x00, 0x00, 0x01, 0x00, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
           28);
  EXPECT_EQ(claimed(Rax, 6, 6, 64), Confidence::Unknown);
}

}  // namespace
}  // namespace kebound::x86
