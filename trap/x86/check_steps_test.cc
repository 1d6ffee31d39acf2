// SPDX-License-Identifier: Apache-2.0
//
// What is accessed beside the element that is checked, in loops: rows, and pointers that move with
// a part of the index only.
#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

// Where lea 0x2000(%rip), as a function's first instruction, and lea 0x3000(%rip) behind it point.
constexpr uint64_t kTable = kCode + 7 + 0x2000;
constexpr uint64_t kOther = kCode + 14 + 0x3000;

class StepChecks : public CheckRecovery {
 protected:
  // What is said where "index <= greatest" of rsi has failed, in code that ends in a ud1.
  Confidence said(const std::vector<uint8_t>& code, uint64_t index, uint64_t greatest) {
    cache = std::make_unique<RecoveryCache>();
    ranges.clear();
    function(code, code.size() - 5);
    registers.gpr[Rsi] = index;
    compared(index, greatest);
    EXPECT_TRUE(recover());
    if (event.confidence != Confidence::Unknown) {
      EXPECT_EQ(event.index, static_cast<int64_t>(index));
      EXPECT_EQ(event.upper, static_cast<int64_t>(greatest));
    }
    return event.confidence;
  }
};

TEST_F(StepChecks, ARowsNumberIsKnownByTheArraysAround) {
  // lea table(%rip),%rdx; and $3,%edi; shl $2,%rdi; add %rdx,%rdi; xor %esi,%esi; 1: cmp $3,%rsi;
  // ja 2f; add (%rdi),%ecx; add $1,%rsi; add $12,%rdi; cmp %r8,%rsi; jb 1b; ret; 2: ud1
  const std::vector<uint8_t> code = {0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x83, 0xe7, 0x03,
                                     0x48, 0xc1, 0xe7, 0x02, 0x48, 0x01, 0xd7, 0x31, 0xf6, 0x48,
                                     0x83, 0xfe, 0x03, 0x77, 0x10, 0x03, 0x0f, 0x48, 0x83, 0xc6,
                                     0x01, 0x48, 0x83, 0xc7, 0x0c, 0x4c, 0x39, 0xc6, 0x72, 0xeb,
                                     0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};
  EXPECT_EQ(said(code, 4, 3), Confidence::Unknown) << "nothing is known";
  arrays[kTable] = {3, 4};
  outer_arrays.insert({kTable, {4, 12}});
  EXPECT_EQ(said(code, 4, 3), Confidence::Certain);
  outer_arrays.clear();
  outer_arrays.insert({kTable, {5, 12}});
  EXPECT_EQ(said(code, 4, 3), Confidence::Unknown);
  // Nothing around it has elements of what the other number is multiplied by.
  arrays.clear();
  outer_arrays.clear();
  arrays[kTable] = {4, 12};
  EXPECT_EQ(said(code, 4, 3), Confidence::Unknown);
}

TEST_F(StepChecks, APointerBesideAParameterThatCountsIsNotItsElement) {
  // lea table(%rip),%rdx; lea other(%rip),%r9; 1: movslq %edi,%rsi; cmp $9,%rsi; ja 2f;
  // add (%rdx,%rsi,4),%ecx; add (%r9),%ecx; add $4,%r9; sub $1,%edi; cmp %r8,%r9; jb 1b; ret;
  // 2: ud1
  const std::vector<uint8_t> code = {0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x4c, 0x8d, 0x0d,
                                     0x00, 0x30, 0x00, 0x00, 0x48, 0x63, 0xf7, 0x48, 0x83, 0xfe,
                                     0x09, 0x77, 0x13, 0x03, 0x0c, 0xb2, 0x41, 0x03, 0x09, 0x49,
                                     0x83, 0xc1, 0x04, 0x83, 0xef, 0x01, 0x4d, 0x39, 0xc1, 0x72,
                                     0xe5, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};
  EXPECT_EQ(said(code, ~uint64_t{0}, 9), Confidence::Unknown) << "only arrays tell";
  arrays[kTable] = {10, 4};
  EXPECT_EQ(said(code, ~uint64_t{0}, 9), Confidence::Certain);
  arrays[kTable] = {12, 4};
  EXPECT_EQ(said(code, ~uint64_t{0}, 9), Confidence::Unknown);
}

// All of the index follows from what the pointer moves with: one may be the other.
TEST_F(StepChecks, APointerBesideAMultipleOfTheTurnsMayBeItsElement) {
  // lea table(%rip),%rdx; lea other(%rip),%r9; xor %eax,%eax; 1: lea (%rax,%rax,2),%rsi;
  // cmp $9,%rsi; ja 2f; add (%rdx,%rsi,4),%ecx; add (%r9),%ecx; add $4,%r9; add $1,%rax;
  // cmp %r8,%r9; jb 1b; ret; 2: ud1
  const std::vector<uint8_t> code = {
      0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x4c, 0x8d, 0x0d, 0x00, 0x30, 0x00,
      0x00, 0x31, 0xc0, 0x48, 0x8d, 0x34, 0x40, 0x48, 0x83, 0xfe, 0x09, 0x77, 0x14,
      0x03, 0x0c, 0xb2, 0x41, 0x03, 0x09, 0x49, 0x83, 0xc1, 0x04, 0x48, 0x83, 0xc0,
      0x01, 0x4d, 0x39, 0xc1, 0x72, 0xe3, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};
  arrays[kTable] = {10, 4};
  arrays[kOther] = {4, 4};
  EXPECT_EQ(said(code, 12, 9), Confidence::Unknown);
}

// "Below -7" is the check of seven more.
TEST_F(StepChecks, ACheckOfANegativeLimitGuardsItsOwnElement) {
  // lea table(%rip),%rdx; lea 5(%rdi),%rsi; cmp $6,%rsi; ja 2f; mov 20(%rdx,%rdi,4),%ecx;
  // cmp $-7,%rdi; jb 2f; add 28(%rdx,%rdi,4),%ecx; ret; 2: ud1
  std::vector<uint8_t> code = {0x48, 0x8d, 0x15, 0x00, 0x20, 0x00, 0x00, 0x48, 0x8d, 0x77,
                               0x05, 0x48, 0x83, 0xfe, 0x06, 0x77, 0x0f, 0x8b, 0x4c, 0xba,
                               0x14, 0x48, 0x83, 0xff, 0xf9, 0x72, 0x05, 0x03, 0x4c, 0xba,
                               0x1c, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};
  registers.gpr[Rdi] = 2;
  arrays[kTable] = {7, 4};
  EXPECT_NE(said(code, 7, 6), Confidence::Unknown);
  code[30] = 0x18;  // another element than that check's
  EXPECT_EQ(said(code, 7, 6), Confidence::Unknown);
}

}  // namespace
}  // namespace kebound::x86
