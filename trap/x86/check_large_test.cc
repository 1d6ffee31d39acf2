// SPDX-License-Identifier: Apache-2.0
//
// Checks in functions of the size that real programs have, and in larger ones than are analysed.
#include "trap/x86/flow_analysis.h"
#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

class LargeFunctions : public CheckRecovery {
 protected:
  // A check behind `branches` branches, each of which may change rcx.
  void check_behind(size_t branches) {
    // test %edx,%edx; je 1f; xor %ecx,%ecx; 1:
    const std::vector<uint8_t> branch = {0x85, 0xd2, 0x74, 0x02, 0x31, 0xc9};
    // movslq %edi,%rax; cmp $9,%rax; ja 1f; mov (%rsi,%rax,4),%eax; ret; 1: ud2
    const std::vector<uint8_t> check = {0x48, 0x63, 0xc7, 0x48, 0x83, 0xf8, 0x09, 0x77,
                                        0x04, 0x8b, 0x04, 0x86, 0xc3, 0x0f, 0x0b};
    std::vector<uint8_t> code;
    for (size_t i = 0; i < branches; ++i) code.insert(code.end(), branch.begin(), branch.end());
    code.insert(code.end(), check.begin(), check.end());
    text.end = kCode + code.size();
    function(code, code.size() - 2);
    registers.gpr[Rax] = registers.gpr[Rdi] = 12;
    compared(12, 9);
  }
};

TEST_F(LargeFunctions, ACheckBehindAThousandBlocksIsCertain) {
  check_behind(kMaxFlowBlocks / 4);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 12);
  EXPECT_EQ(event.upper, 9);
  EXPECT_TRUE(event.resumable);
}

TEST_F(LargeFunctions, BehindMoreBlocksThanThereIsRoomForNothingIsClaimed) {
  // Two for each branch.
  check_behind(kMaxFlowBlocks / 2 + 1);
  EXPECT_FALSE(recover()) << "a ud2 without evidence";
  EXPECT_EQ(event.doubt, Doubt::FunctionTooLarge);
}

}  // namespace
}  // namespace kebound::x86
