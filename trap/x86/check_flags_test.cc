// SPDX-License-Identifier: Apache-2.0
//
// Checks whose access has a second one, by flags that were made numbers of: what clang makes of
// -fsanitize=bounds without optimization, which stands for array-bounds and local-bounds.
#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

class SecondChecks : public CheckRecovery {
 protected:
  // At the first check's ud1, with this index.
  void stop(const std::vector<uint8_t>& code, uint64_t trap, uint32_t index) {
    function(code, trap);
    registers.gpr[Rbp] = kStack + 0x100;
    memory.write_value<uint32_t>(kStack + 0xfc, index);
    memory.write_value<uint32_t>(kStack + 0xf8, index);
    registers.gpr[Rax] = index;
    compared(index, 10);
  }
};

TEST_F(SecondChecks, OneThatReadsTheIndexAgainSeesTheCorrectedOne) {
  // push %rbp; mov %rsp,%rbp; mov %edi,-4(%rbp); mov -4(%rbp),%eax; mov %eax,-8(%rbp); cltq;
  // cmp $10,%rax; jb 1f; ud1 0x12(%eax),%eax; 1: movslq -8(%rbp),%rcx; mov %rcx,%rdx; shl $2,%rdx;
  // mov $40,%eax; cmp %rdx,%rax; setb %al; test $1,%al; jne 2f; mov (%rsi,%rcx,4),%eax; pop %rbp;
  // ret; 2: ud2
  stop({0x55, 0x48, 0x89, 0xe5, 0x89, 0x7d, 0xfc, 0x8b, 0x45, 0xfc, 0x89, 0x45, 0xf8, 0x48, 0x98,
        0x48, 0x83, 0xf8, 0x0a, 0x72, 0x05, 0x67, 0x0f, 0xb9, 0x40, 0x12, 0x48, 0x63, 0x4d, 0xf8,
        0x48, 0x89, 0xca, 0x48, 0xc1, 0xe2, 0x02, 0xb8, 0x28, 0x00, 0x00, 0x00, 0x48, 0x39, 0xd0,
        0x0f, 0x92, 0xc0, 0xa8, 0x01, 0x75, 0x05, 0x8b, 0x04, 0x8e, 0x5d, 0xc3, 0x0f, 0x0b},
       21, 12);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 12);
  ASSERT_TRUE(event.resumable);
  corrected();
  ASSERT_EQ(recovery.place_count, 2);
  EXPECT_EQ(recovery.places[1].address, kStack + 0xf8) << "the variable that the access reads";
}

TEST_F(SecondChecks, OneThatWasPreparedBeforeTheFirstWouldFailAllTheSame) {
  // The same, but the offset in rdx is calculated before the first check.
  stop({0x55, 0x48, 0x89, 0xe5, 0x89, 0x7d, 0xfc, 0x48, 0x63, 0x55, 0xfc, 0x48, 0xc1, 0xe2, 0x02,
        0x8b, 0x45, 0xfc, 0x89, 0x45, 0xf8, 0x48, 0x98, 0x48, 0x83, 0xf8, 0x0a, 0x72, 0x05, 0x67,
        0x0f, 0xb9, 0x40, 0x12, 0x48, 0x63, 0x4d, 0xf8, 0xb8, 0x28, 0x00, 0x00, 0x00, 0x48, 0x39,
        0xd0, 0x0f, 0x92, 0xc0, 0xa8, 0x01, 0x75, 0x05, 0x8b, 0x04, 0x8e, 0x5d, 0xc3, 0x0f, 0x0b},
       29, 12);
  registers.gpr[Rdx] = 48;
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_FALSE(event.resumable);
  EXPECT_EQ(event.doubt, Doubt::DerivedValues);
}

// push %rbp; mov %rsp,%rbp; mov %rdi,-8(%rbp); mov %rsi,-16(%rbp); mov -8(%rbp),%rax;
// mov %rax,-24(%rbp); cmpq $10,-16(%rbp)
const std::vector<uint8_t> kParameter = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0x7d, 0xf8, 0x48,
                                         0x89, 0x75, 0xf0, 0x48, 0x8b, 0x45, 0xf8, 0x48, 0x89,
                                         0x45, 0xe8, 0x48, 0x83, 0x7d, 0xf0, 0x0a};

class ComparedInMemory : public CheckRecovery {
 protected:
  void stop(const std::vector<uint8_t>& behind, uint64_t trap) {
    std::vector<uint8_t> code = kParameter;
    code.insert(code.end(), behind.begin(), behind.end());
    function(code, kParameter.size() + trap);
    registers.gpr[Rbp] = kStack + 0x100;
    registers.gpr[Rsi] = 12;
    memory.write_value<uint64_t>(kStack + 0xf0, 12);
    compared(12, 10);
  }
};

TEST_F(ComparedInMemory, WhereAJumpIsJumpedOverNobodyHasOptimized) {
  // jae 1f; jmp 2f; 1: ud1 0x12(%eax),%eax; 2: mov -24(%rbp),%rax; mov -16(%rbp),%rcx;
  // shl $2,%rcx; add %rcx,%rax; pop %rbp; ret: operator[] of a std::array
  stop({0x73, 0x02, 0xeb, 0x05, 0x67, 0x0f, 0xb9, 0x40, 0x12, 0x48, 0x8b, 0x45, 0xe8,
        0x48, 0x8b, 0x4d, 0xf0, 0x48, 0xc1, 0xe1, 0x02, 0x48, 0x01, 0xc8, 0x5d, 0xc3},
       4);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Likely);
  EXPECT_EQ(event.index, 12);
  EXPECT_EQ(event.upper, 9);
}

TEST_F(ComparedInMemory, WhatOptimizersMayHaveSpilledMayBeFolded) {
  // jae 1f; nop; nop; as above; 1: ud1: &array[k + ...] of a static function may look so
  stop({0x73, 0x13, 0x90, 0x90, 0x48, 0x8b, 0x45, 0xe8, 0x48, 0x8b, 0x4d, 0xf0, 0x48,
        0xc1, 0xe1, 0x02, 0x48, 0x01, 0xc8, 0x5d, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
       21);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

}  // namespace
}  // namespace kebound::x86
