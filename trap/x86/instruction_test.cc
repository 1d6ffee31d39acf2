// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/instruction.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace kebound::x86 {
namespace {

Instruction decode(std::initializer_list<uint8_t> bytes, CodeMode mode = CodeMode::Bits64,
                   uint64_t address = 0x1000) {
  const std::vector<uint8_t> code(bytes);
  Instruction out;
  EXPECT_TRUE(decode_instruction(code.data(), code.size(), address, mode, out));
  EXPECT_EQ(out.length, code.size());
  return out;
}

bool decodes(std::initializer_list<uint8_t> bytes, CodeMode mode = CodeMode::Bits64) {
  const std::vector<uint8_t> code(bytes);
  Instruction out;
  return decode_instruction(code.data(), code.size(), 0x1000, mode, out);
}

TEST(Instruction, ACompareWithAnImmediateHasBothOperands) {
  const Instruction i = decode({0x83, 0xfe, 0x09});  // cmp $9,%esi
  EXPECT_EQ(i.op, Op::Cmp);
  ASSERT_EQ(i.operand_count, 2);
  EXPECT_EQ(i.operands[0].kind, OperandKind::Register);
  EXPECT_EQ(i.operands[0].reg, Rsi);
  EXPECT_EQ(i.operands[0].bits, 32);
  EXPECT_EQ(i.operands[1].kind, OperandKind::Immediate);
  EXPECT_EQ(i.operands[1].immediate, 9);
  EXPECT_EQ(i.reads, register_bit(Rsi));
  EXPECT_EQ(i.writes, 0u);
  EXPECT_TRUE(i.writes_flags);
  EXPECT_FALSE(i.reads_memory);
}

TEST(Instruction, AnImmediateIsSignExtended) {
  EXPECT_EQ(decode({0x48, 0x83, 0xf8, 0xff}).operands[1].immediate, -1);  // cmp $-1,%rax
  EXPECT_EQ(decode({0x3d, 0x00, 0x00, 0x00, 0x80}).operands[1].immediate, INT32_MIN);
}

TEST(Instruction, AHighByteNeedsThatThereIsNoRex) {
  const Instruction high = decode({0x80, 0xfc, 0x05});  // cmp $5,%ah
  EXPECT_TRUE(high.operands[0].high_byte);
  EXPECT_EQ(high.operands[0].reg, Rax);
  EXPECT_EQ(high.reads, register_bit(Rax));
  const Instruction low = decode({0x40, 0x80, 0xfc, 0x05});  // cmp $5,%spl
  EXPECT_FALSE(low.operands[0].high_byte);
  EXPECT_EQ(low.operands[0].reg, Rsp);
}

TEST(Instruction, ARipRelativeOperandIsAnAbsoluteAddress) {
  // cmp %rax,0x10(%rip): 7 bytes at 0x1000
  const Instruction i = decode({0x48, 0x39, 0x05, 0x10, 0x00, 0x00, 0x00});
  EXPECT_TRUE(i.operands[0].rip_relative);
  EXPECT_EQ(i.operands[0].base, kNoRegister);
  EXPECT_EQ(i.operands[0].displacement, 0x1017);
  EXPECT_EQ(i.reads, register_bit(Rax));
  EXPECT_TRUE(i.reads_memory);
  // The same bytes in 32-bit code: dec %eax first.
  EXPECT_EQ(decode({0x39, 0x05, 0x10, 0, 0, 0}, CodeMode::Bits32).operands[0].displacement, 0x10);
}

TEST(Instruction, AScaledIndexIsSeenOfEveryInstruction) {
  for (const Instruction& i : {decode({0x8b, 0x04, 0xbb}),              // mov (%rbx,%rdi,4),%eax
                               decode({0xf3, 0x0f, 0x10, 0x04, 0xbb}),  // movss
                               decode({0xd9, 0x04, 0xbb})}) {           // flds
    EXPECT_EQ(i.memory.kind, OperandKind::Memory);
    EXPECT_EQ(i.memory.base, Rbx);
    EXPECT_EQ(i.memory.index, Rdi);
    EXPECT_EQ(i.memory.scale, 4);
    EXPECT_TRUE(i.reads_memory);
    EXPECT_EQ(i.reads, register_bit(Rbx) | register_bit(Rdi));
  }
}

TEST(Instruction, LeaReadsRegistersButNoMemory) {
  const Instruction i = decode({0x48, 0x8d, 0x44, 0xbb, 0x08});
  EXPECT_EQ(i.op, Op::Lea);
  EXPECT_FALSE(i.reads_memory);
  EXPECT_EQ(i.reads, register_bit(Rbx) | register_bit(Rdi));
  EXPECT_FALSE(decodes({0x8d, 0xc0}));
}

TEST(Instruction, BranchesHaveTheirTargets) {
  const Instruction jcc = decode({0x0f, 0x87, 0x10, 0x00, 0x00, 0x00});
  EXPECT_EQ(jcc.op, Op::Jcc);
  EXPECT_EQ(jcc.condition, 7);
  EXPECT_EQ(jcc.target, 0x1016u);
  EXPECT_TRUE(jcc.ends_block);
  EXPECT_TRUE(jcc.falls_through);
  EXPECT_EQ(decode({0x72, 0xfe}).target, 0x1000u);
  const Instruction jmp = decode({0xeb, 0x10});
  EXPECT_EQ(jmp.target, 0x1012u);
  EXPECT_FALSE(jmp.falls_through);
  // Across zero in 32-bit code.
  EXPECT_EQ(decode({0xe8, 0, 0, 0, 0x80}, CodeMode::Bits32, 0x90000000).target, 0x10000005u);
}

TEST(Instruction, ClangsTrapsAreUd1WithTheCheckAsDisplacement) {
  const Instruction i = decode({0x67, 0x0f, 0xb9, 0x40, 0x12});
  EXPECT_EQ(i.op, Op::Ud1);
  EXPECT_EQ(i.operands[1].displacement, 0x12);
  EXPECT_FALSE(i.falls_through);
}

TEST(Instruction, ImplicitRegistersAreCounted) {
  EXPECT_EQ(decode({0xf7, 0xf1}).writes, register_bit(Rax) | register_bit(Rdx));  // div %ecx
  EXPECT_EQ(decode({0xf3, 0xa4}).writes,                                          // rep movsb
            register_bit(Rcx) | register_bit(Rsi) | register_bit(Rdi));
  EXPECT_EQ(decode({0x0f, 0xa2}).writes,  // cpuid
            register_bit(Rax) | register_bit(Rcx) | register_bit(Rdx) | register_bit(Rbx));
  EXPECT_EQ(decode({0x66, 0x0f, 0xd7, 0xc8}).writes, register_bit(Rcx));  // pmovmskb
  EXPECT_EQ(decode({0x66, 0x0f, 0x6f, 0xc8}).writes, 0u);                 // movdqa
}

TEST(Instruction, WhatIsNotKnownDoesEverything) {
  const Instruction i = decode({0xcd, 0x80});
  EXPECT_EQ(i.op, Op::Other);
  EXPECT_EQ(i.writes, kAllRegisters);
  EXPECT_TRUE(i.writes_memory);
  EXPECT_TRUE(i.writes_flags);
}

TEST(Instruction, WhatIsNoneLeavesTheResultAlone) {
  Instruction out;
  out.length = 7;
  const uint8_t bytes[] = {0x0f, 0x04, 0x90};
  EXPECT_FALSE(decode_instruction(bytes, sizeof bytes, 0, CodeMode::Bits64, out));
  EXPECT_EQ(out.length, 7);
  EXPECT_FALSE(decode_instruction(nullptr, 0, 0, CodeMode::Bits64, out));
  EXPECT_FALSE(decodes({0x06}));  // push %es
  EXPECT_TRUE(decodes({0x06}, CodeMode::Bits32));
  EXPECT_FALSE(decodes({0xf0, 0x89, 0x03}));  // lock mov
  EXPECT_FALSE(decodes({0xf0, 0x01, 0xc0}));  // lock add %eax,%eax
  EXPECT_TRUE(decodes({0xf0, 0x01, 0x03}));
}

}  // namespace
}  // namespace kebound::x86
