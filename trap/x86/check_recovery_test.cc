// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/check_recovery.h"

#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

// movslq %edi,%rax; cmp $9,%rax; ja 1f; mov (%rdx,%rax,4),%eax; ret; 1: ud2
const std::vector<uint8_t> kGcc = {0x48, 0x63, 0xc7, 0x48, 0x83, 0xf8, 0x09, 0x77,
                                   0x04, 0x8b, 0x04, 0x82, 0xc3, 0x0f, 0x0b};

TEST_F(CheckRecovery, AUd2BehindACompareOfAnIndexIsABoundsFailureWithIndexAndLimits) {
  function(kGcc, 13);
  registers.gpr[Rdi] = 12;
  registers.gpr[Rax] = 12;
  compared(12, 9);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.source, BoundSource::CheckTrap);
  EXPECT_EQ(event.check, CheckKind::ArrayBounds);
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.ip, kCode + 3);
  EXPECT_EQ(event.trap_ip, kCode + 13);
  EXPECT_EQ(event.line_ip, 0u) << "the compare has the line";
  EXPECT_EQ(event.instruction_length, 4);
  EXPECT_EQ(event.index_register, Rax);
  EXPECT_EQ(event.index_width, 64);
  EXPECT_EQ(event.index, 12);
  EXPECT_EQ(event.lower, 0);
  EXPECT_EQ(event.upper, 9);
  EXPECT_TRUE(event.resumable);
  EXPECT_EQ(recovery.resume_ip, kCode + 3);
}

TEST_F(CheckRecovery, ANegativeIndexIsNegative) {
  function(kGcc, 13);
  registers.gpr[Rdi] = 0xfffffffe;
  registers.gpr[Rax] = static_cast<uint64_t>(-2);
  compared(registers.gpr[Rax], 9);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.index, -2);
  EXPECT_EQ(corrected().gpr[Rax], 0u);
}

TEST_F(CheckRecovery, ACorrectedIndexIsWhereTheAccessReadsIt) {
  // cmp $10,%edi; jae 1f; mov %edi,%eax; mov (%rcx,%rax,4),%eax; ret; 1: ud1 0x12(%eax),%eax
  function({0x83, 0xff, 0x0a, 0x73, 0x06, 0x89, 0xf8, 0x8b, 0x04, 0x81, 0xc3, 0x67, 0x0f, 0xb9,
            0x40, 0x12},
           11);
  registers.gpr[Rdi] = 100;
  compared(100, 10, 32);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.source, BoundSource::ClangTrap);
  EXPECT_EQ(event.upper, 9);
  EXPECT_EQ(event.index_width, 32);
  ASSERT_TRUE(event.resumable);
  const Registers after = corrected();
  EXPECT_EQ(after.gpr[Rdi], 9u);
  EXPECT_EQ(after.rip, kCode);
}

TEST_F(CheckRecovery, WithoutOptimizationTheCopyOnTheStackIsCorrectedAndTheVariableIsNot) {
  // push %rbp; mov %rsp,%rbp; mov %edi,-4(%rbp); mov -4(%rbp),%eax; mov %eax,-8(%rbp); cltq;
  // cmp $10,%rax; jb 2f; ud1 0x12(%eax),%eax; 2: mov -8(%rbp),%eax; movslq %eax,%rcx;
  // mov (%rdx,%rcx,4),%eax; pop %rbp; ret
  function({0x55, 0x48, 0x89, 0xe5, 0x89, 0x7d, 0xfc, 0x8b, 0x45, 0xfc, 0x89, 0x45, 0xf8,
            0x48, 0x98, 0x48, 0x83, 0xf8, 0x0a, 0x72, 0x05, 0x67, 0x0f, 0xb9, 0x40, 0x12,
            0x8b, 0x45, 0xf8, 0x48, 0x63, 0xc8, 0x8b, 0x04, 0x8a, 0x5d, 0xc3},
           21);
  registers.gpr[Rbp] = kStack + 0x100;
  registers.gpr[Rax] = registers.gpr[Rdi] = 17;
  memory.write_value<uint32_t>(kStack + 0x100 - 4, 17);
  memory.write_value<uint32_t>(kStack + 0x100 - 8, 17);
  compared(17, 10);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  ASSERT_TRUE(event.resumable);
  EXPECT_EQ(corrected().gpr[Rax], 9u);
  ASSERT_EQ(plan.write_count, 1u);
  EXPECT_EQ(plan.writes[0].address, kStack + 0x100 - 8);
  EXPECT_EQ(plan.writes[0].value, 9u);
}

TEST_F(CheckRecovery, APlaceThatDoesNotHoldTheIndexIsNotWritten) {
  function({0x55, 0x48, 0x89, 0xe5, 0x89, 0x7d, 0xfc, 0x8b, 0x45, 0xfc, 0x89, 0x45, 0xf8,
            0x48, 0x98, 0x48, 0x83, 0xf8, 0x0a, 0x72, 0x05, 0x67, 0x0f, 0xb9, 0x40, 0x12,
            0x8b, 0x45, 0xf8, 0x48, 0x63, 0xc8, 0x8b, 0x04, 0x8a, 0x5d, 0xc3},
           21);
  registers.gpr[Rbp] = kStack + 0x100;
  registers.gpr[Rax] = 17;
  memory.write_value<uint32_t>(kStack + 0x100 - 8, 18);  // another thread, a debugger
  compared(17, 10);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.index, 17);
  EXPECT_FALSE(event.resumable);
  EXPECT_EQ(event.doubt, Doubt::CopiesUnknown);
}

// cmp $9,%rdi; ja 1f; mov (%rcx,%rdi,4),%edi; cmp $6,%rsi; ja 1f; mov (%rcx,%rsi,4),%eax;
// add %edi,%eax; ret; 1: ud2
const std::vector<uint8_t> kMerged = {0x48, 0x83, 0xff, 0x09, 0x77, 0x0f, 0x8b, 0x3c,
                                      0xb9, 0x48, 0x83, 0xfe, 0x06, 0x77, 0x06, 0x8b,
                                      0x04, 0xb1, 0x01, 0xf8, 0xc3, 0x0f, 0x0b};

TEST_F(CheckRecovery, OfSeveralChecksWithOneTrapTheOneWhoseFlagsAreThereHasFailed) {
  function(kMerged, 21);
  registers.gpr[Rdi] = 3;
  registers.gpr[Rsi] = 7;
  compared(7, 6);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.ip, kCode + 9);
  EXPECT_EQ(event.index, 7);
  EXPECT_EQ(event.upper, 6);
}

// As above, but the second compare is of a number that addresses nothing: add %esi,%edi in place of
// the access.
TEST_F(CheckRecovery, OfTwoThatMayHaveFailedOneThatIsNoBoundsCheckLeavesTheTrapAlone) {
  std::vector<uint8_t> code = kMerged;
  code[15] = 0x01;
  code[16] = 0xf7;
  code[17] = 0x90;
  function(code, 21);
  registers.gpr[Rdi] = 10;
  registers.gpr[Rsi] = 7;
  compared(7, 6);
  EXPECT_FALSE(recover());
}

// The code runs into the trap as well, with no branch: nop in place of ret.
TEST_F(CheckRecovery, SeveralChecksAndAWayThatIsNoneLeaveTheTrapAlone) {
  std::vector<uint8_t> code = kMerged;
  code[20] = 0x90;
  function(code, 21);
  registers.gpr[Rdi] = 10;
  registers.gpr[Rsi] = 7;
  compared(7, 6);
  EXPECT_FALSE(recover());
}

TEST_F(CheckRecovery, TwoChecksThatMayHaveFailedAreNotToldApartByGuessing) {
  function(kMerged, 21);
  registers.gpr[Rdi] = 10;  // and 7 - 6 leaves the flags of 10 - 9
  registers.gpr[Rsi] = 7;
  compared(7, 6);
  ASSERT_TRUE(recover());  // both are checks of an index, so one has failed
  EXPECT_EQ(event.source, BoundSource::CheckTrap);
  EXPECT_EQ(event.check, CheckKind::ArrayBounds);
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  EXPECT_FALSE(event.resumable);
  EXPECT_EQ(event.ip, registers.rip);
  EXPECT_EQ(event.doubt, Doubt::SeveralCandidates);
}

TEST_F(CheckRecovery, ACheckThatTheRegistersContradictIsNotTheOne) {
  // mov $3,%ecx; cmp $9,%rdi; ja 1f; mov (%rdx,%rdi,4),%eax; mov %rsi,%rdi; mov $5,%ecx;
  // cmp $9,%rdi; ja 1f; mov (%rdx,%rdi,4),%ecx; ret; 1: ud2
  function({0xb9, 0x03, 0x00, 0x00, 0x00, 0x48, 0x83, 0xff, 0x09, 0x77, 0x15, 0x8b,
            0x04, 0xba, 0x48, 0x89, 0xf7, 0xb9, 0x05, 0x00, 0x00, 0x00, 0x48, 0x83,
            0xff, 0x09, 0x77, 0x04, 0x8b, 0x0c, 0xba, 0xc3, 0x0f, 0x0b},
           32);
  registers.gpr[Rdi] = registers.gpr[Rsi] = 20;
  registers.gpr[Rcx] = 5;
  compared(20, 9);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.ip, kCode + 22);
  registers.gpr[Rcx] = 3;
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.ip, kCode + 5);
}

TEST_F(CheckRecovery, FlagsThatNoCompareLeavesAreNotExplained) {
  function(kGcc, 13);
  registers.gpr[Rdi] = registers.gpr[Rax] = 12;
  compared(12, 9);
  registers.rflags ^= kParityFlag;
  EXPECT_FALSE(recover());
  EXPECT_EQ(event.doubt, Doubt::OperandsChanged);
}

TEST_F(CheckRecovery, ANullCheckIsNoBoundsCheck) {
  // test %rdi,%rdi; je 1f; mov (%rdi),%eax; ret; 1: ud2
  function({0x48, 0x85, 0xff, 0x74, 0x03, 0x8b, 0x07, 0xc3, 0x0f, 0x0b}, 8);
  compared(0, 0);
  registers.rflags &= ~kAdjustFlag;
  EXPECT_FALSE(recover());
}

TEST_F(CheckRecovery, ACompareOfPointersIsNoBoundsCheck) {
  // cmp %rsi,%rdi; jae 1f; mov (%rdi),%eax; ret; 1: ud2
  function({0x48, 0x39, 0xf7, 0x73, 0x03, 0x8b, 0x07, 0xc3, 0x0f, 0x0b}, 8);
  registers.gpr[Rdi] = kStack + 8;
  registers.gpr[Rsi] = kStack;
  compared(kStack + 8, kStack);
  EXPECT_FALSE(recover());
  EXPECT_EQ(event.doubt, Doubt::NotABoundsCheck);
}

TEST_F(CheckRecovery, AnAssertionAboutANumberIsNoBoundsCheck) {
  // cmp $9,%edi; ja 1f; lea (%rdi,%rdi,2),%eax; ret; 1: ud2
  function({0x83, 0xff, 0x09, 0x77, 0x04, 0x8d, 0x04, 0x7f, 0xc3, 0x0f, 0x0b}, 9);
  registers.gpr[Rdi] = 12;
  compared(12, 9, 32);
  EXPECT_FALSE(recover());
  EXPECT_EQ(event.doubt, Doubt::NotABoundsCheck);
}

TEST_F(CheckRecovery, AByteOffsetIsNotTakenForAnIndex) {
  // cmp $40,%rax; jae 1f; mov (%rdx,%rax,1),%eax; ret; 1: ud2
  function({0x48, 0x83, 0xf8, 0x28, 0x73, 0x04, 0x8b, 0x04, 0x02, 0xc3, 0x0f, 0x0b}, 10);
  registers.gpr[Rax] = 44;
  compared(44, 40);
  EXPECT_FALSE(recover());
  EXPECT_EQ(event.doubt, Doubt::Scaled);
}

TEST_F(CheckRecovery, ACheckThatClangMayHaveFoldedHasNoIndex) {
  // movzbl %dil,%eax; cmp $7,%rax; jae 1f; mov 12(%rcx,%rax,4),%eax; ret; 1: ud1 0x12(%eax),%eax
  // is table[k + 3] of ten, and also record.list[k] of seven.
  function({0x40, 0x0f, 0xb6, 0xc7, 0x48, 0x83, 0xf8, 0x07, 0x73, 0x05,
            0x8b, 0x44, 0x81, 0x0c, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
           15);
  registers.gpr[Rdi] = registers.gpr[Rax] = 9;
  compared(9, 7);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  EXPECT_EQ(event.doubt, Doubt::Scaled);
  EXPECT_FALSE(event.resumable);
  EXPECT_EQ(event.ip, kCode + 4) << "the check is known, its index is not";
}

TEST_F(CheckRecovery, ALimitThatIsAPowerOfTwoMayBeTestedByMask) {
  // test $~15,%edi; jne 1f; mov (%rdx,%rdi,4),%eax; ret; 1: ud1 0x12(%eax),%eax
  function({0xf7, 0xc7, 0xf0, 0xff, 0xff, 0xff, 0x75, 0x04, 0x8b, 0x04, 0xba, 0xc3, 0x67, 0x0f,
            0xb9, 0x40, 0x12},
           12);
  registers.gpr[Rdi] = 32;
  registers.rflags = 0x202;  // 32 & ~15: not zero, positive, odd parity
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.index, 32);
  EXPECT_EQ(event.upper, 15);
}

TEST_F(CheckRecovery, TheLimitMayBeTheFirstOperand) {
  // cmp %rsi,%r9; jb 1f; mov (%r8,%rsi,4),%eax; ret; 1: ud2
  function({0x49, 0x39, 0xf1, 0x72, 0x05, 0x41, 0x8b, 0x04, 0xb0, 0xc3, 0x0f, 0x0b}, 10);
  registers.gpr[R9] = 6;
  registers.gpr[Rsi] = 7;
  compared(6, 7);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.index, 7);
  EXPECT_EQ(event.upper, 6);
  EXPECT_EQ(event.index_register, Rsi);
}

TEST_F(CheckRecovery, AnAddressMadeOfTheIndexBeforeTheCheckForbidsResuming) {
  // lea (%rdx,%rdi,4),%rcx; cmp $9,%rdi; ja 1f; mov (%rcx),%eax; mov (%rsi,%rdi,4),%edx; ret;
  // 1: ud2
  function({0x48, 0x8d, 0x0c, 0xba, 0x48, 0x83, 0xff, 0x09, 0x77, 0x06, 0x8b, 0x01, 0x8b, 0x14,
            0xbe, 0xc3, 0x0f, 0x0b},
           16);
  registers.gpr[Rdi] = 12;
  compared(12, 9);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.index, 12);
  EXPECT_FALSE(event.resumable);
  EXPECT_EQ(event.doubt, Doubt::DerivedValues);
}

TEST_F(CheckRecovery, AnOldValueReadBeforeTheCheckForbidsResuming) {
  // movslq %eax,%rcx; mov (%rdx,%rcx,4),%esi; cmp $9,%rcx; ja 1f; add $1,%esi;
  // mov %esi,(%rdx,%rcx,4); ret; 1: ud2     as gcc does a[i] += 1
  function({0x48, 0x63, 0xc8, 0x8b, 0x34, 0x8a, 0x48, 0x83, 0xf9, 0x09, 0x77,
            0x07, 0x83, 0xc6, 0x01, 0x89, 0x34, 0x8a, 0xc3, 0x0f, 0x0b},
           19);
  registers.gpr[Rax] = registers.gpr[Rcx] = 12;
  compared(12, 9);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.index, 12);
  EXPECT_FALSE(event.resumable);
  EXPECT_EQ(event.doubt, Doubt::DerivedValues);
}

TEST_F(CheckRecovery, ALoopThatCountsWithTheIndexIsNotResumed) {
  // xor %eax,%eax; 2: cmp $9,%rax; ja 1f; mov (%rdx,%rax,4),%ecx; inc %rax; cmp %rsi,%rax;
  // jne 2b; ret; 1: ud2
  function({0x31, 0xc0, 0x48, 0x83, 0xf8, 0x09, 0x77, 0x0c, 0x8b, 0x0c, 0x82,
            0x48, 0xff, 0xc0, 0x48, 0x39, 0xf0, 0x75, 0xef, 0xc3, 0x0f, 0x0b},
           20);
  registers.gpr[Rax] = 10;
  compared(10, 9);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.index, 10);
  EXPECT_FALSE(event.resumable);
  EXPECT_EQ(event.doubt, Doubt::LoopCounter);
}

TEST_F(CheckRecovery, TheTrapMayLieInAnotherPartOfTheFunction) {
  // cmp $9,%rdi; ja cold; mov (%rdx,%rdi,4),%eax; ret       cold: ud2
  const uint32_t distance = static_cast<uint32_t>(kCold - (kCode + 10));
  function({0x48, 0x83, 0xff, 0x09, 0x0f, 0x87, static_cast<uint8_t>(distance),
            static_cast<uint8_t>(distance >> 8), static_cast<uint8_t>(distance >> 16),
            static_cast<uint8_t>(distance >> 24), 0x8b, 0x04, 0xba, 0xc3},
           0);
  memory.write(kCold, {0x0f, 0x0b});
  ranges.push_back({kCold, kCold + 2});
  registers.rip = kCold;
  registers.gpr[Rdi] = 12;
  compared(12, 9);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.ip, kCode);
  EXPECT_EQ(event.index, 12);
  EXPECT_EQ(event.upper, 9);
}

TEST_F(CheckRecovery, TheIndexOfA32BitThreadMayBeInMemory) {
  // cmpl $9,8(%esp); ja 1f; mov 8(%esp),%eax; mov (%edx,%eax,4),%eax; ret; 1: ud2
  mode = CodeMode::Bits32;
  function({0x83, 0x7c, 0x24, 0x08, 0x09, 0x77, 0x08, 0x8b, 0x44, 0x24, 0x08, 0x8b, 0x04, 0x82,
            0xc3, 0x0f, 0x0b},
           15);
  memory.write_value<uint32_t>(kStack + 8, 12);
  registers.gpr[Rsp] = 0xdead00000000 | kStack;  // what is above 32 bits is not the thread's
  compared(12, 9, 32);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.index_address, kStack + 8);
  ASSERT_TRUE(event.resumable);
  corrected();
  ASSERT_EQ(plan.write_count, 1u);
  EXPECT_EQ(plan.writes[0].address, kStack + 8);
  EXPECT_EQ(plan.writes[0].value, 9u);
  EXPECT_EQ(plan.writes[0].size, 4u);
}

TEST_F(CheckRecovery, CodeThatIsAnotherOneByNowIsAnalysedAnew) {
  function(kGcc, 13);
  registers.gpr[Rdi] = registers.gpr[Rax] = 12;
  compared(12, 9);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.upper, 9);
  memory.write(kCode + 6, {0x0a});  // cmp $10,%rax
  compared(12, 10);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.upper, 10);
}

TEST_F(CheckRecovery, WithoutAFunctionOnlyTheKindIsKnown) {
  memory.write(kCode, {0x67, 0x0f, 0xb9, 0x40, 0x12});
  registers.rip = kCode;
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.source, BoundSource::ClangTrap);
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  EXPECT_EQ(event.doubt, Doubt::NoFunction);
  EXPECT_EQ(event.ip, kCode);
  memory.write(kCode, {0x0f, 0x0b});
  EXPECT_FALSE(recover());
}

TEST_F(CheckRecovery, NumbersOfTrapsAreNoKinds) {
  memory.write(kCode, {0x67, 0x0f, 0xb9, 0x40, 0x12});
  registers.rip = kCode;
  EXPECT_FALSE(recover({.unique_traps = true}));
}

TEST_F(CheckRecovery, ACheckOfALibraryIsOneWhateverItCompares) {
  function({0x48, 0x85, 0xff, 0x74, 0x03, 0x8b, 0x07, 0xc3, 0x0f, 0x0b}, 8);
  compared(0, 0);
  registers.rflags &= ~kAdjustFlag;
  ASSERT_TRUE(recover({.hardening_message = true}));
  EXPECT_EQ(event.source, BoundSource::LibcxxHardening);
  EXPECT_EQ(event.check, CheckKind::Assertion);
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

TEST_F(CheckRecovery, AnotherClangCheckIsNoBoundsFailure) {
  memory.write(kCode, {0x67, 0x0f, 0xb9, 0x40, 0x00});  // signed overflow
  registers.rip = kCode;
  EXPECT_FALSE(recover());
}

TEST_F(CheckRecovery, ATooLongFunctionIsSaidToBe) {
  memory.write(kCode, {0x67, 0x0f, 0xb9, 0x40, 0x12});
  ranges.push_back({kCode, kCode + kMaxFunctionBytes + 1});
  registers.rip = kCode;
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.doubt, Doubt::FunctionTooLarge);
}

TEST_F(CheckRecovery, OneCacheServesAsManyTrapsAsThereAre) {
  // More than it has slots for.
  for (unsigned i = 0; i < 3 * RecoveryCache::kTraps; ++i) {
    const uint64_t at = kCode + 32 * i;
    memory.write(at, kGcc);
    ranges.push_back({at, at + kGcc.size()});
    registers.rip = at + 13;
    registers.gpr[Rdi] = registers.gpr[Rax] = 12;
    compared(12, 9);
    ASSERT_TRUE(recover());
    ASSERT_EQ(event.ip, at + 3);
  }
  forget_code(*cache, {0, ~uint64_t{0}});
  ASSERT_TRUE(recover());
}

}  // namespace
}  // namespace kebound::x86
