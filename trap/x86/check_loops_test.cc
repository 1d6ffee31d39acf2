// SPDX-License-Identifier: Apache-2.0
//
// Checks in loops: addresses that move in step with the counter that is compared, and counters that
// are compared with their last value only.
#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

// Where lea 0x2000(%rip) points to, as a function's first instruction.
constexpr uint64_t kTable = kCode + 7 + 0x2000;

class LoopChecks : public CheckRecovery {
 protected:
  // The check "index <= greatest" of rsi has failed, in code that ends in a trap of `length` bytes.
  bool failed(const std::vector<uint8_t>& code, size_t length, uint64_t index, uint64_t greatest) {
    cache = std::make_unique<RecoveryCache>();
    ranges.clear();
    function(code, code.size() - length);
    registers.gpr[Rsi] = registers.gpr[Rax] = index;
    compared(index, greatest);
    return recover();
  }
  void expect_index(int64_t index, int64_t upper, Confidence confidence) {
    EXPECT_EQ(event.confidence, confidence);
    EXPECT_EQ(event.index, index);
    EXPECT_EQ(event.lower, 0);
    EXPECT_EQ(event.upper, upper);
    EXPECT_FALSE(event.resumable);
  }
};

// lea table(%rip),%rdx; xor %eax,%eax; xor %ecx,%ecx; 1: movslq %eax,%rsi; cmp $greatest,%rsi;
// ja 2f; add (%rdx),%ecx; add $1,%eax; add $4,%rdx; cmp %edi,%eax; jle 1b; mov %ecx,%eax; ret; 2:
std::vector<uint8_t> in_step(uint8_t greatest, bool ud1) {
  std::vector<uint8_t> code = {0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0,
                               0x31, 0xc9, 0x48, 0x63, 0xf0, 0x48, 0x83, 0xfe, greatest,
                               0x77, 0x10, 0x03, 0x0a, 0x83, 0xc0, 0x01, 0x48, 0x83,
                               0xc2, 0x04, 0x39, 0xf8, 0x7e, 0xea, 0x89, 0xc8, 0xc3};
  const std::vector<uint8_t> trap =
      ud1 ? std::vector<uint8_t>{0x67, 0x0f, 0xb9, 0x40, 0x12} : std::vector<uint8_t>{0x0f, 0x0b};
  code.insert(code.end(), trap.begin(), trap.end());
  return code;
}

TEST_F(LoopChecks, AnAddressThatMovesInStepIsThatOfTheIndex) {
  ASSERT_TRUE(failed(in_step(9, false), 2, 10, 9));
  expect_index(10, 9, Confidence::Likely);
  EXPECT_EQ(event.doubt, Doubt::DerivedValues) << "a corrected counter leaves the address as it is";
}

TEST_F(LoopChecks, AnArrayOfAnotherLengthIsNotTheOneThatGccChecks) {
  arrays[kTable] = {40, 4};
  EXPECT_FALSE(failed(in_step(9, false), 2, 10, 9)) << "if (i > 9) __builtin_trap();";
  arrays[kTable] = {10, 4};
  EXPECT_TRUE(failed(in_step(9, false), 2, 10, 9));
}

// clang makes the same of table[k + 3] of ten elements, where the address begins at the fourth, and
// of table[k] of seven.
TEST_F(LoopChecks, WhereTheAddressBeganOnlyTheArrayTells) {
  ASSERT_TRUE(failed(in_step(6, true), 5, 7, 6));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  arrays[kTable - 12] = {10, 4};
  ASSERT_TRUE(failed(in_step(6, true), 5, 7, 6));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  arrays[kTable] = {7, 4};
  ASSERT_TRUE(failed(in_step(6, true), 5, 7, 6));
  expect_index(7, 6, Confidence::Certain);
  arrays[kTable] = {7, 8};
  ASSERT_TRUE(failed(in_step(6, true), 5, 7, 6));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

TEST_F(LoopChecks, TheCounterMayBeginAtAnIndexThatTheAddressBeginsAt) {
  // movslq %edi,%rax; lea 0x2000(%rip),%rdx; lea (%rdx,%rax,4),%rdx; 1: movslq %edi,%rsi;
  // cmp $9,%rsi; ja 2f; add (%rdx),%ecx; sub $1,%edi; sub $4,%rdx; cmp %r8d,%edi; jge 1b; ret;
  // 2: ud2
  ASSERT_TRUE(
      failed({0x48, 0x63, 0xc7, 0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x48, 0x8d, 0x14, 0x82,
              0x48, 0x63, 0xf7, 0x48, 0x83, 0xfe, 0x09, 0x77, 0x0f, 0x03, 0x0a, 0x83, 0xef, 0x01,
              0x48, 0x83, 0xea, 0x04, 0x44, 0x39, 0xc7, 0x7d, 0xe9, 0xc3, 0x0f, 0x0b},
             2, ~uint64_t{0}, 9));
  expect_index(-1, 9, Confidence::Likely);
}

TEST_F(LoopChecks, TwoThatBeginSomewhereAreNotInStep) {
  // 1: movslq %eax,%rsi; cmp $9,%rsi; ja 2f; add (%rdx),%ecx; add $1,%eax; add $4,%rdx;
  // cmp %edi,%eax; jle 1b; mov %ecx,%eax; ret; 2: ud2
  EXPECT_FALSE(
      failed({0x48, 0x63, 0xf0, 0x48, 0x83, 0xfe, 0x09, 0x77, 0x10, 0x03, 0x0a, 0x83, 0xc0, 0x01,
              0x48, 0x83, 0xc2, 0x04, 0x39, 0xf8, 0x7e, 0xea, 0x89, 0xc8, 0xc3, 0x0f, 0x0b},
             2, 10, 9));
}

TEST_F(LoopChecks, BothMayMoveByMoreThanOneElement) {
  // lea 0x2000(%rip),%rdx; xor %eax,%eax; 1: movslq %eax,%rsi; cmp $9,%rsi; ja 2f;
  // add (%rdx),%ecx; add $2,%eax; add $by,%rdx; cmp %edi,%eax; jle 1b; ret; 2: ud2
  for (const uint8_t by : std::vector<uint8_t>{8, 4, 2}) {
    const bool found =
        failed({0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0, 0x48, 0x63, 0xf0,
                0x48, 0x83, 0xfe, 0x09, 0x77, 0x0e, 0x03, 0x0a, 0x83, 0xc0, 0x02, 0x48,
                0x83, 0xc2, by,   0x39, 0xf8, 0x7e, 0xea, 0xc3, 0x0f, 0x0b},
               2, 10, 9);
    EXPECT_EQ(found, by == 8) << +by;
  }
  expect_index(0, 0, Confidence::Unknown);
}

TEST_F(LoopChecks, WaysThatGoOnDifferentlyAreNoSteps) {
  // lea 0x2000(%rip),%rdx; xor %eax,%eax; xor %ecx,%ecx; 1: movslq %eax,%rsi; cmp $9,%rsi; ja 2f;
  // add (%rdx),%ecx; js 3f; add $1,%eax; add $4,%rdx; jmp 1b; 3: add $by,%eax; add $4,%rdx;
  // cmp %edi,%eax; jle 1b; mov %ecx,%eax; ret; 2: ud2
  for (const uint8_t by : std::vector<uint8_t>{1, 2}) {
    const bool found =
        failed({0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0, 0x31, 0xc9, 0x48, 0x63,
                0xf0, 0x48, 0x83, 0xfe, 0x09, 0x77, 0x1b, 0x03, 0x0a, 0x78, 0x09, 0x83, 0xc0,
                0x01, 0x48, 0x83, 0xc2, 0x04, 0xeb, 0xea, 0x83, 0xc0, by,   0x48, 0x83, 0xc2,
                0x04, 0x39, 0xf8, 0x7e, 0xdf, 0x89, 0xc8, 0xc3, 0x0f, 0x0b},
               2, 10, 9);
    EXPECT_EQ(found, by == 1) << +by;
  }
}

TEST_F(LoopChecks, ACounterThatBeginsAgainLeavesThePointerBehind) {
  // lea 0x2000(%rip),%rdx; xor %eax,%eax; xor %ecx,%ecx; 1: movslq %eax,%rsi; cmp $9,%rsi; ja 2f;
  // add (%rdx),%ecx; add $4,%rdx; add $1,%eax; cmp %edi,%eax; jle 1b; xor %eax,%eax;
  // test %ecx,%ecx; jne 1b; ret; 2: ud2
  EXPECT_FALSE(
      failed({0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0, 0x31, 0xc9, 0x48, 0x63, 0xf0,
              0x48, 0x83, 0xfe, 0x09, 0x77, 0x14, 0x03, 0x0a, 0x48, 0x83, 0xc2, 0x04, 0x83, 0xc0,
              0x01, 0x39, 0xf8, 0x7e, 0xea, 0x31, 0xc0, 0x85, 0xc9, 0x75, 0xe4, 0xc3, 0x0f, 0x0b},
             2, 10, 9));
}

TEST_F(LoopChecks, AnAccessThatAnotherWayLeadsToIsNotTheChecks) {
  // lea 0x2000(%rip),%rdx; xor %eax,%eax; jmp 3f; 1: movslq %eax,%rsi; cmp $9,%rsi; ja 2f;
  // 3: add (%rdx),%ecx; add $1,%eax; add $4,%rdx; cmp %edi,%eax; jle 1b; ret; 2: ud2
  EXPECT_FALSE(failed({0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0, 0xeb, 0x09, 0x48,
                       0x63, 0xf0, 0x48, 0x83, 0xfe, 0x09, 0x77, 0x0e, 0x03, 0x0a, 0x83, 0xc0,
                       0x01, 0x48, 0x83, 0xc2, 0x04, 0x39, 0xf8, 0x7e, 0xea, 0xc3, 0x0f, 0x0b},
                      2, 10, 9));
}

TEST_F(LoopChecks, AByteThatCountsFallsBehindAtItsEnd) {
  // lea 0x2000(%rip),%rdx; xor %eax,%eax; 1: movzbl %al,%esi; cmp $9,%rsi; ja 2f;
  // add (%rdx),%ecx; add $1,%eax; add $4,%rdx; cmp %edi,%ecx; jle 1b; ret; 2: ud2
  EXPECT_FALSE(failed({0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0, 0x0f, 0xb6, 0xf0,
                       0x48, 0x83, 0xfe, 0x09, 0x77, 0x0e, 0x03, 0x0a, 0x83, 0xc0, 0x01, 0x48,
                       0x83, 0xc2, 0x04, 0x39, 0xf9, 0x7e, 0xea, 0xc3, 0x0f, 0x0b},
                      2, 10, 9));
}

TEST_F(LoopChecks, TheTurnMayBeOverWhenTheElementIsRead) {
  // lea 0x2000(%rip),%rdx; xor %eax,%eax; 1: mov %eax,%esi; cmp $9,%rsi; ja 2f; add $1,%eax;
  // add $4,%rdx; add -4(%rdx),%ecx; cmp %edi,%eax; jle 1b; ret; 2: ud2
  arrays[kTable] = {10, 4};
  ASSERT_TRUE(failed({0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0, 0x89, 0xc6, 0x48,
                      0x83, 0xfe, 0x09, 0x77, 0x0f, 0x83, 0xc0, 0x01, 0x48, 0x83, 0xc2, 0x04,
                      0x03, 0x4a, 0xfc, 0x39, 0xf8, 0x7e, 0xea, 0xc3, 0x0f, 0x0b},
                     2, 10, 9));
  expect_index(10, 9, Confidence::Likely);
}

// Of a[k + 3] and b[k] with one check, a is read by an address in step.
TEST_F(LoopChecks, OneCheckOfTwoArraysIsTheOneOfNeither) {
  // lea 0x2000(%rip),%rdx; lea 0x3000(%rip),%r8; xor %eax,%eax; 1: cmp $6,%rax; ja 2f;
  // add (%r8,%rax,4),%ecx; add (%rdx),%ecx; add $1,%rax; add $4,%rdx; cmp %rdi,%rax; jb 1b; ret;
  // 2: ud1 0x12(%eax),%eax
  const std::vector<uint8_t> code = {0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x4c, 0x8d, 0x05,
                                     0x00, 0x30, 0x00, 0x00, 0x31, 0xc0, 0x48, 0x83, 0xf8, 0x06,
                                     0x77, 0x14, 0x41, 0x03, 0x0c, 0x80, 0x03, 0x0a, 0x48, 0x83,
                                     0xc0, 0x01, 0x48, 0x83, 0xc2, 0x04, 0x48, 0x39, 0xf8, 0x72,
                                     0xe7, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};
  ASSERT_TRUE(failed(code, 5, 7, 6));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  arrays[kCode + 14 + 0x3000] = {7, 4};
  arrays[kTable - 12] = {10, 4};
  ASSERT_TRUE(failed(code, 5, 7, 6));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  arrays[kTable] = {7, 4};
  ASSERT_TRUE(failed(code, 5, 7, 6));
  expect_index(7, 6, Confidence::Certain);
}

TEST_F(LoopChecks, TheNumberInTheSecondBlockOfALoopIsStillTheOneOfTheFirst) {
  // lea 0x2000(%rip),%r8; xor %eax,%eax; 1: lea -1(%rax),%edx; movslq %edx,%rdx; cmp $19,%rdx;
  // ja 2f; cmp $9,%rdx; ja 3f; add 4(%r8,%rax,4),%ecx; add $1,%rax; cmp %rdi,%rax; jb 1b; ret;
  // 2: ud2; 3: ud2
  registers.gpr[Rdx] = 10;
  ASSERT_TRUE(failed({0x4c, 0x8d, 0x05, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0, 0x8d, 0x50, 0xff,
                      0x48, 0x63, 0xd2, 0x48, 0x83, 0xfa, 0x13, 0x77, 0x15, 0x48, 0x83, 0xfa,
                      0x09, 0x77, 0x11, 0x41, 0x03, 0x4c, 0x80, 0x04, 0x48, 0x83, 0xc0, 0x01,
                      0x48, 0x39, 0xf8, 0x72, 0xe0, 0xc3, 0x0f, 0x0b, 0x0f, 0x0b},
                     2, 10, 9));
  expect_index(10, 9, Confidence::Likely);
}

// mov (%rdi),%rdx; mov 8(%rdi),%rcx; sub %rdx,%rcx; sar $2,%rcx; xor %esi,%esi; 1: cmp %rsi,%rcx;
// je 2f; add (%rdx,%rsi,4),%eax; add $1,%rsi; cmp %r8,%rsi; jb 1b; ret; 2: ud2
TEST_F(LoopChecks, ACounterMayBeAskedWhetherItIsTheSize) {
  const std::vector<uint8_t> code = {0x48, 0x8b, 0x17, 0x48, 0x8b, 0x4f, 0x08, 0x48, 0x29,
                                     0xd1, 0x48, 0xc1, 0xf9, 0x02, 0x31, 0xf6, 0x48, 0x39,
                                     0xf1, 0x74, 0x0d, 0x03, 0x04, 0xb2, 0x48, 0x83, 0xc6,
                                     0x01, 0x4c, 0x39, 0xc6, 0x72, 0xef, 0xc3, 0x0f, 0x0b};
  function(code, code.size() - 2);
  registers.gpr[Rsi] = registers.gpr[Rcx] = 5;
  compared(5, 5);
  EXPECT_FALSE(recover()) << "a program's own condition";
  ASSERT_TRUE(recover({.hardening_message = true}));
  expect_index(5, 4, Confidence::Likely);
  EXPECT_EQ(event.index_register, Rsi);
  EXPECT_EQ(event.doubt, Doubt::LoopCounter);
}

// What is compared may have begun at another number than the index, as long as it ends with it.
TEST_F(LoopChecks, ACounterThatIsAskedForOneNumberNeedsTheArray) {
  // lea 0x2000(%rip),%rdx; xor %eax,%eax; 1: cmp $7,%rax; je 2f; add (%rdx,%rax,4),%ecx;
  // add $1,%rax; cmp %rdi,%rax; jb 1b; ret; 2: ud1 0x12(%eax),%eax
  const std::vector<uint8_t> code = {0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0,
                                     0x48, 0x83, 0xf8, 0x07, 0x74, 0x0d, 0x03, 0x0c, 0x82,
                                     0x48, 0x83, 0xc0, 0x01, 0x48, 0x39, 0xf8, 0x72, 0xee,
                                     0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};
  ASSERT_TRUE(failed(code, 5, 7, 7));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  arrays[kTable] = {10, 4};
  ASSERT_TRUE(failed(code, 5, 7, 7));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  arrays[kTable] = {7, 4};
  ASSERT_TRUE(failed(code, 5, 7, 7));
  expect_index(7, 6, Confidence::Certain);
  // By two, the limit may as well be six.
  std::vector<uint8_t> by_two = code;
  by_two[21] = 2;
  ASSERT_TRUE(failed(by_two, 5, 7, 7));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

// "k < 10" is "k < 9" where k is even, and clang takes the one for the other.
TEST_F(LoopChecks, OfACounterOfEvenNumbersTheLimitIsThatOfTheArray) {
  // lea 0x2000(%rip),%rdx; xor %eax,%eax; 1: cmp $9,%rax; ja 2f; add (%rdx,%rax,4),%ecx;
  // add $2,%rax; cmp %rdi,%rax; jb 1b; ret; 2: ud1 0x12(%eax),%eax
  const std::vector<uint8_t> code = {0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x31, 0xc0,
                                     0x48, 0x83, 0xf8, 0x09, 0x77, 0x0d, 0x03, 0x0c, 0x82,
                                     0x48, 0x83, 0xc0, 0x02, 0x48, 0x39, 0xf8, 0x72, 0xee,
                                     0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};
  ASSERT_TRUE(failed(code, 5, 10, 9));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  arrays[kTable] = {9, 4};
  ASSERT_TRUE(failed(code, 5, 10, 9));
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  arrays[kTable] = {10, 4};
  ASSERT_TRUE(failed(code, 5, 10, 9));
  expect_index(10, 9, Confidence::Certain);
}

TEST_F(LoopChecks, WhatIsInStepWithAnIndexOfASizeBeginsWithTheElements) {
  // mov (%rdi),%rdx; mov 8(%rdi),%rcx; sub %rdx,%rcx; sar $2,%rcx; xor %esi,%esi;
  // 1: cmp %rsi,%rcx; jbe 2f; add (%rdx),%eax; add $1,%rsi; add $4,%rdx; cmp %r8,%rsi; jb 1b; ret;
  // 2: ud2
  const std::vector<uint8_t> code = {0x48, 0x8b, 0x17, 0x48, 0x8b, 0x4f, 0x08, 0x48, 0x29, 0xd1,
                                     0x48, 0xc1, 0xf9, 0x02, 0x31, 0xf6, 0x48, 0x39, 0xf1, 0x76,
                                     0x10, 0x03, 0x02, 0x48, 0x83, 0xc6, 0x01, 0x48, 0x83, 0xc2,
                                     0x04, 0x4c, 0x39, 0xc6, 0x72, 0xec, 0xc3, 0x0f, 0x0b};
  function(code, code.size() - 2);
  registers.gpr[Rsi] = registers.gpr[Rcx] = 5;
  compared(5, 5);
  ASSERT_TRUE(recover({.hardening_message = true}));
  expect_index(5, 4, Confidence::Likely);
}

}  // namespace
}  // namespace kebound::x86
