// SPDX-License-Identifier: Apache-2.0
//
// Checks whose index is not simply what was compared and then used: sums, multiples, extensions,
// two checks that were made one; and those that end in a call.
#include <cstdlib>

#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

using LinearChecks = CheckRecovery;

// mov 4(%esp),%ecx; lea 3(%ecx),%edx; cmp $10,%edx; jae 1f; mov 0x1060(%eax,%ecx,4),%eax; ret;
// 1: ud1 0x12(%eax),%eax
const std::vector<uint8_t> kSum = {0x8b, 0x4c, 0x24, 0x04, 0x8d, 0x51, 0x03, 0x83,
                                   0xfa, 0x0a, 0x73, 0x08, 0x8b, 0x84, 0x88, 0x60,
                                   0x10, 0x00, 0x00, 0xc3, 0x0f, 0xb9, 0x40, 0x12};

TEST_F(LinearChecks, ASumIsTheIndexThoughTheAccessAddsItsConstantItself) {
  mode = CodeMode::Bits32;
  function(kSum, 20);
  memory.write_value<uint32_t>(kStack + 4, 9);
  registers.gpr[Rcx] = 9;
  registers.gpr[Rdx] = 12;
  compared(12, 10, 32);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 12);
  EXPECT_EQ(event.index_register, Rdx);
  EXPECT_EQ(event.upper, 9);
  EXPECT_FALSE(event.resumable) << "the access uses the number before the sum";
  EXPECT_EQ(event.doubt, Doubt::DerivedValues);
}

TEST_F(LinearChecks, ACallOfTheNextInstructionMakesNoResultOfAParameter) {
  // push %esi; call 1f; 1: pop %esi; add $0x447e,%esi; cmp $9,%edx; ja 2f;
  // mov 0x54(%esi,%edx,4),%eax; pop %esi; ret; 2: ud2
  mode = CodeMode::Bits32;
  function({0x56, 0xe8, 0x00, 0x00, 0x00, 0x00, 0x5e, 0x81, 0xc6, 0x7e, 0x44, 0x00, 0x00,
            0x83, 0xfa, 0x09, 0x77, 0x06, 0x8b, 0x44, 0x96, 0x54, 0x5e, 0xc3, 0x0f, 0x0b},
           24);
  registers.gpr[Rdx] = 11;
  compared(11, 9, 32);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 11);
}

TEST_F(LinearChecks, TwoElementsBehindOneCheckMayHaveHadTwo) {
  // cmp $7,%rdi; jae 1f; mov (%rax,%rdi,4),%edx; add 12(%rax,%rdi,4),%edx; ret;
  // 1: ud1 0x12(%eax),%eax: a[k] + a[k + 3] of ten elements
  function({0x48, 0x83, 0xff, 0x07, 0x73, 0x08, 0x8b, 0x14, 0xb8, 0x03, 0x54, 0xb8, 0x0c, 0xc3,
            0x67, 0x0f, 0xb9, 0x40, 0x12},
           14);
  registers.gpr[Rdi] = 8;
  compared(8, 7);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  EXPECT_EQ(event.doubt, Doubt::Scaled);
}

TEST_F(LinearChecks, AnUnsignedIntHasARangeAsASize) {
  // mov %edi,%eax; cmp $7,%rax; jae 1f; mov 12(%rcx,%rax,4),%eax; ret; 1: ud1 0x12(%eax),%eax:
  // table[u + 3ul] of ten elements
  function({0x89, 0xf8, 0x48, 0x83, 0xf8, 0x07, 0x73, 0x05, 0x8b, 0x44, 0x81, 0x0c, 0xc3, 0x67,
            0x0f, 0xb9, 0x40, 0x12},
           13);
  registers.gpr[Rdi] = registers.gpr[Rax] = 9;
  compared(9, 7);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  EXPECT_EQ(event.doubt, Doubt::Scaled);
}

// mov (%rdi),%rax; lea 8(,%rax,8),%rax; cmp $24,%rax; jae 1f; lea 0x1000(%rip),%rcx;
// movswq 2(%rcx,%rax,2),%rax; ret; 1: ud1 0x12(%eax),%eax: clang 19's table[8 * k + 9] of 24
// elements, where it has 8 * k + 8 already. With an odd limit it compares the index.
TEST_F(LinearChecks, OneMoreThanAMultipleIsInBoundsWhereTheMultipleIs) {
  for (const uint8_t limit : {uint8_t{24}, uint8_t{23}}) {
    cache = std::make_unique<RecoveryCache>();
    ranges.clear();
    function({0x48, 0x8b, 0x07,  0x48, 0x8d, 0x04, 0xc5, 0x08, 0x00, 0x00, 0x00, 0x48,
              0x83, 0xf8, limit, 0x73, 0x0e, 0x48, 0x8d, 0x0d, 0x00, 0x10, 0x00, 0x00,
              0x48, 0x0f, 0xbf,  0x44, 0x41, 0x02, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
             31);
    registers.gpr[Rax] = 96;
    compared(96, limit);
    ASSERT_TRUE(recover());
    EXPECT_EQ(event.confidence, limit == 24 ? Confidence::Unknown : Confidence::Certain);
  }
}

// lea 0(,%rbx,4),%rcx; cmp $99,%rcx; ja 1f; movslq (%rax,%rbx,4),%rbx; ret; 1: ud2
const std::vector<uint8_t> kBytes = {0x48, 0x8d, 0x0c, 0x9d, 0x00, 0x00, 0x00,
                                     0x00, 0x48, 0x83, 0xf9, 0x63, 0x77, 0x05,
                                     0x48, 0x63, 0x1c, 0x98, 0xc3, 0x0f, 0x0b};

// clang 19 makes this of table[k + 3] of ten elements, in a static function that is only called
// with unsigned chars; others make it of record.list[k] of seven.
TEST_F(LinearChecks, AParameterMayHaveARangeThatOnlyItsCallersShow) {
  // cmp $7,%rdi; jae 1f; mov 12(%rax,%rdi,4),%eax; ret; 1: ud1 0x12(%eax),%eax
  function({0x48, 0x83, 0xff, 0x07, 0x73, 0x05, 0x8b, 0x44, 0xb8, 0x0c, 0xc3, 0x67, 0x0f, 0xb9,
            0x40, 0x12},
           11);
  registers.gpr[Rdi] = 8;
  compared(8, 7);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  EXPECT_EQ(event.doubt, Doubt::Scaled);
}

// An int that cannot be negative would be zero-extended.
TEST_F(LinearChecks, AParameterThatIsSignExtendedHasNoSuchRange) {
  // movslq %edi,%rdi; cmp $7,%rdi; jae 1f; mov 12(%rax,%rdi,4),%eax; ret; 1: ud1 0x12(%eax),%eax
  function({0x48, 0x63, 0xff, 0x48, 0x83, 0xff, 0x07, 0x73, 0x05, 0x8b, 0x44, 0xb8, 0x0c, 0xc3,
            0x67, 0x0f, 0xb9, 0x40, 0x12},
           14);
  registers.gpr[Rdi] = 8;
  compared(8, 7);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 8);
}

// What the limit was read from has no range for which both could have been divided, or a constant
// taken from both.
TEST_F(LinearChecks, ALimitFromMemoryWasNotMovedToTheOtherSide) {
  // cmp %rdi,(%rsi); jbe 1f; mov 12(%rax,%rdi,4),%eax; ret; 1: ud1 0x12(%eax),%eax
  function(
      {0x48, 0x39, 0x3e, 0x76, 0x05, 0x8b, 0x44, 0xb8, 0x0c, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
      10);
  registers.gpr[Rdi] = 8;
  registers.gpr[Rsi] = kStack;
  memory.write_value<uint64_t>(kStack, 7);
  compared(7, 8);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.upper, 6);
}

TEST_F(LinearChecks, AnOffsetInBytesIsAnIndexWhereTheElementIsKnown) {
  function(kBytes, 19);
  registers.gpr[Rbx] = 30;
  registers.gpr[Rcx] = 120;
  compared(120, 99);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 30);
  EXPECT_EQ(event.index_register, Rbx);
  EXPECT_EQ(event.upper, 24);
  EXPECT_FALSE(event.resumable);
}

TEST_F(LinearChecks, AnIndexThatTheOffsetIsNoMultipleOfIsNone) {
  function(kBytes, 19);
  registers.gpr[Rbx] = 31;
  registers.gpr[Rcx] = 120;
  compared(120, 99);
  EXPECT_FALSE(recover());
}

TEST_F(LinearChecks, AnIntMayBeExtendedByTwoShifts) {
  // cmp $7,%edi; jae 1f; shl $32,%rdi; sar $29,%rdi; mov (%rdi,%rax,1),%rax; ret;
  // 1: ud1 0x12(%eax),%eax
  function({0x83, 0xff, 0x07, 0x73, 0x0d, 0x48, 0xc1, 0xe7, 0x20, 0x48, 0xc1, 0xff,
            0x1d, 0x48, 0x8b, 0x04, 0x07, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
           18);
  registers.gpr[Rdi] = 0xffffffff;
  compared(0xffffffff, 7, 32);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, -1);
  EXPECT_EQ(event.upper, 6);
}

// A library's check in 32-bit code. push %ebx; sub $8,%esp; mov 16(%esp),%eax; cmp $9,%eax; ja 1f;
// mov 0x54(%ebx,%eax,4),%eax; add $8,%esp; pop %ebx; ret; 1: lea -0x100(%ebx),%eax; push %eax;
// push $0xd0; call ...
const std::vector<uint8_t> kCall = {0x53, 0x83, 0xec, 0x08, 0x8b, 0x44, 0x24, 0x10, 0x83, 0xf8,
                                    0x09, 0x77, 0x09, 0x8b, 0x44, 0x83, 0x54, 0x83, 0xc4, 0x08,
                                    0x5b, 0xc3, 0x8d, 0x83, 0x00, 0xff, 0xff, 0xff, 0x50, 0x68,
                                    0xd0, 0x00, 0x00, 0x00, 0xe8, 0xd9, 0x00, 0x00, 0x00};
constexpr uint64_t kCallAt = 34;
constexpr uint64_t kParameter = 4 + 8 + 4 + 4 + 4;  // from rsp at the call

TEST_F(LinearChecks, ACheckThatCallsHasItsIndexWhereItWasLoadedFrom) {
  mode = CodeMode::Bits32;
  function(kCall, kCallAt);
  memory.write_value<uint32_t>(kStack + kParameter, 12);
  registers.gpr[Rax] = 0x55555555;  // an argument by now
  registers.rflags = 0x202;
  ASSERT_TRUE(recover_called());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 12);
  EXPECT_EQ(event.index_address, kStack + kParameter);
  EXPECT_EQ(event.upper, 9);
  EXPECT_EQ(event.doubt, Doubt::CallNotResumable);
}

TEST_F(LinearChecks, AValueThatWouldHavePassedIsNotWhatFailed) {
  mode = CodeMode::Bits32;
  function(kCall, kCallAt);
  memory.write_value<uint32_t>(kStack + kParameter, 9);
  EXPECT_FALSE(recover_called());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

TEST_F(LinearChecks, AnOperandThatIsOverwrittenIsNotGuessed) {
  // cmp $9,%rdi; ja 1f; mov (%rax,%rdi,4),%eax; ret; 1: push %rax; lea 0(%rip),%rdi; call ...
  function({0x48, 0x83, 0xff, 0x09, 0x77, 0x04, 0x8b, 0x04, 0xb8, 0xc3, 0x50, 0x48,
            0x8d, 0x3d, 0x00, 0x00, 0x00, 0x00, 0xe8, 0xd9, 0x00, 0x00, 0x00},
           18);
  registers.gpr[Rdi] = 100;
  EXPECT_FALSE(recover_called());
}

// mov %rdi,%rax; shr $8,%rax; cmp $3,%eax; jae 1f; movzbl %dil,%eax; cmp $3,%rax; ja 1f;
// shl $24,%rdi; shr $32,%rdi; shl $4,%rdi; add %rcx,%rdi; mov (%rdi,%rax,4),%eax; ret;
// 1: ud1 0x12(%eax),%eax
const std::vector<uint8_t> kPacked = {
    0x48, 0x89, 0xf8, 0x48, 0xc1, 0xe8, 0x08, 0x83, 0xf8, 0x03, 0x73, 0x1d, 0x40, 0x0f, 0xb6, 0xc7,
    0x48, 0x83, 0xf8, 0x03, 0x77, 0x13, 0x48, 0xc1, 0xe7, 0x18, 0x48, 0xc1, 0xef, 0x20, 0x48, 0xc1,
    0xe7, 0x04, 0x48, 0x01, 0xcf, 0x8b, 0x04, 0x87, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};

TEST_F(LinearChecks, OfTwoNumbersInOneRegisterTheOneThatIsThereHasFailed) {
  function(kPacked, 41);
  registers.gpr[Rdi] = 0x206;
  registers.gpr[Rax] = 6;
  compared(6, 3);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.ip, kCode + 16);
  EXPECT_EQ(event.index, 6);
  EXPECT_EQ(event.upper, 3);
}

TEST_F(LinearChecks, WhereTheShiftGivesWhatTheRegisterHasBothMayHaveFailed) {
  function(kPacked, 41);
  registers.gpr[Rdi] = 0x606;
  registers.gpr[Rax] = 6;
  compared(6, 3);
  ASSERT_TRUE(recover());
  EXPECT_NE(event.confidence, Confidence::Certain);
}

TEST_F(LinearChecks, AHighByteThatWasOverwrittenSaysNothingAboutTheWay) {
  // movsbl %ah,%eax; lea (%rax,%rax),%edx; cmp $1,%edx; ja 1f; mov (%rcx,%rdx,4),%edx;
  // sub $16,%eax; cmp $2,%eax; ja 1f; movsbl (%rcx,%rax),%eax; ret; 1: ud2
  function(
      {0x0f, 0xbe, 0xc4, 0x8d, 0x14, 0x00, 0x83, 0xfa, 0x01, 0x77, 0x10, 0x8b, 0x14, 0x91, 0x83,
       0xe8, 0x10, 0x83, 0xf8, 0x02, 0x77, 0x05, 0x0f, 0xbe, 0x04, 0x01, 0xc3, 0x0f, 0x0b},
      27);
  registers.gpr[Rax] = 16;  // the first check has failed; the second one has the same flags
  registers.gpr[Rdx] = 32;
  compared(32, 1, 32);
  recover();
  EXPECT_NE(event.confidence, Confidence::Certain);
}

TEST_F(LinearChecks, AHighByteIsNotTheLowOne) {
  // mov %rdi,%rax; movzbl %al,%ecx; cmp $29,%ecx; jae 1f; movzbl %ah,%eax; movl $1,(%rdx,%rax,4);
  // ret; 1: ud2
  function({0x48, 0x89, 0xf8, 0x0f, 0xb6, 0xc8, 0x83, 0xf9, 0x1d, 0x73, 0x0b, 0x0f,
            0xb6, 0xc4, 0xc7, 0x04, 0x82, 0x01, 0x00, 0x00, 0x00, 0xc3, 0x0f, 0x0b},
           22);
  registers.gpr[Rdi] = registers.gpr[Rax] = 0x21f;
  registers.gpr[Rcx] = 0x1f;
  compared(0x1f, 0x1d, 32);
  EXPECT_FALSE(recover() && event.confidence != Confidence::Unknown);
}

TEST_F(LinearChecks, ZeroedStorageIsANewCache) {
  void* const storage =
      std::aligned_alloc(alignof(RecoveryCache) < 64 ? 64 : alignof(RecoveryCache),
                         (sizeof(RecoveryCache) + 63) / 64 * 64);
  ASSERT_NE(storage, nullptr);
  __builtin_memset(storage, 0, sizeof(RecoveryCache));
  RecoveryCache& zeroed = RecoveryCache::in_zeroed(storage);
  EXPECT_NE(zeroed.take_room(), nullptr);
  EXPECT_NE(zeroed.take_room(), nullptr);
  EXPECT_EQ(zeroed.take_room(), nullptr);
  for (size_t way = 0; way < decltype(zeroed.traps)::kWays; ++way) {
    EXPECT_EQ(zeroed.traps.slot(0, way)->acquire(0), nullptr);
    EXPECT_NE(zeroed.traps.slot(0, way)->claim(), nullptr);
  }
  std::free(storage);
}

}  // namespace
}  // namespace kebound::x86
