// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "trap/x86/bound.h"
#include "trap/x86/fake_memory.h"

namespace kebound::x86 {
namespace {

constexpr uint64_t kCode = 0x8048000;
constexpr uint64_t kData = 0x10000000;

class EvaluateBound : public testing::Test {
 protected:
  EvaluateBound() {
    registers.rip = kCode;
    registers.cs = 0x23;
    registers.ds = registers.es = registers.ss = 0x2b;
    registers.rflags = 0x202;
    registers.gpr[Rbx] = kData;
    code({0x62, 0x03});  // bound (%ebx), %eax
    bounds(kData, 0, 9);
  }

  void code(const std::vector<uint8_t>& bytes) { memory.write(kCode, bytes); }
  void bounds(uint64_t address, int32_t lower, int32_t upper) {
    memory.write_value(address, lower);
    memory.write_value(address + 4, upper);
  }
  BoundVerdict with_index(uint64_t index) {
    registers.gpr[Rax] = index;
    return evaluate_bound(registers, memory.reader(), event);
  }

  FakeMemory memory;
  Registers registers;
  BoundEvent event;
};

TEST_F(EvaluateBound, BothBoundsAreInclusive) {
  EXPECT_EQ(with_index(0), BoundVerdict::InRange);
  EXPECT_EQ(with_index(9), BoundVerdict::InRange);
  EXPECT_EQ(with_index(10), BoundVerdict::Exceeded);
  EXPECT_EQ(with_index(0xffffffff), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, TheEventSaysEverythingAboutTheCheck) {
  bounds(kData, -5, 9);
  ASSERT_EQ(with_index(0xfffffff0), BoundVerdict::Exceeded);
  EXPECT_EQ(event.source, BoundSource::X86Bound);
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.instruction_length, 2);
  EXPECT_EQ(event.index_register, Rax);
  EXPECT_EQ(event.index_width, 32);
  EXPECT_EQ(event.ip, kCode);
  EXPECT_EQ(event.index, -16);
  EXPECT_EQ(event.lower, -5);
  EXPECT_EQ(event.upper, 9);
  EXPECT_EQ(event.bounds_address, kData);
}

TEST_F(EvaluateBound, TheEventIsLeftAloneUnlessExceeded) {
  event.index = 4711;
  EXPECT_EQ(with_index(5), BoundVerdict::InRange);
  registers.gpr[Rbx] = 0;
  EXPECT_EQ(with_index(50), BoundVerdict::Unreadable);
  EXPECT_EQ(event.index, 4711);
}

TEST_F(EvaluateBound, BoundsInReverseOrderAreNeverPassed) {
  bounds(kData, 9, 0);
  for (const uint64_t index : {0u, 5u, 9u}) EXPECT_EQ(with_index(index), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, ComparesSigned32BitNumbersAtTheirExtremes) {
  bounds(kData, INT32_MIN, -1);
  EXPECT_EQ(with_index(0x80000000), BoundVerdict::InRange);
  EXPECT_EQ(with_index(0xffffffff), BoundVerdict::InRange);
  EXPECT_EQ(with_index(0), BoundVerdict::Exceeded);
  bounds(kData, 0, INT32_MAX);
  EXPECT_EQ(with_index(0x7fffffff), BoundVerdict::InRange);
  EXPECT_EQ(with_index(0x80000000), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, SixteenBitOperandsUseTheLowHalfOfTheRegister) {
  code({0x66, 0x62, 0x03});
  memory.write_value<int16_t>(kData, -2);
  memory.write_value<int16_t>(kData + 2, 3);
  EXPECT_EQ(with_index(0x00010003), BoundVerdict::InRange);
  EXPECT_EQ(with_index(0x1234fffe), BoundVerdict::InRange);
  ASSERT_EQ(with_index(0x0000fffd), BoundVerdict::Exceeded);
  EXPECT_EQ(event.index, -3);
  EXPECT_EQ(event.lower, -2);
  EXPECT_EQ(event.upper, 3);
  EXPECT_EQ(event.index_width, 16);
}

TEST_F(EvaluateBound, UpperHalvesOf64BitRegistersDoNotCount) {
  registers.gpr[Rbx] = 0xdeadbeef00000000 | kData;
  EXPECT_EQ(with_index(0xdeadbeef00000005), BoundVerdict::InRange);
  EXPECT_EQ(with_index(0xdeadbeef0000000a), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, SegmentBasesAreAddedModulo4GiB) {
  code({0x65, 0x62, 0x03});
  registers.gs = 0x63;
  registers.gs_base = 0xf0000000;
  registers.gpr[Rbx] = kData + 0x10000000;
  ASSERT_EQ(with_index(10), BoundVerdict::Exceeded);
  EXPECT_EQ(event.bounds_address, kData);
  code({0x64, 0x62, 0x03});
  registers.fs = 0x6b;
  registers.fs_base = 0x10000000;
  registers.gpr[Rbx] = kData - 0x10000000;
  EXPECT_EQ(with_index(10), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, ANullSegmentIsAProtectionFaultNotABoundException) {
  registers.ds = 0;
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
  registers.ds = 3;
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
  code({0x26, 0x62, 0x03});
  EXPECT_EQ(with_index(10), BoundVerdict::Exceeded) << "ES is not null";
  code({0x64, 0x62, 0x03});
  registers.fs_base = 0x7f0000001000;  // the thread pointer of a 64-bit process
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
}

TEST_F(EvaluateBound, ReadableCodeSegmentsServeAsData) {
  registers.ds = 0x23;
  EXPECT_EQ(with_index(10), BoundVerdict::Exceeded);
  registers.ds = 0;
  code({0x2e, 0x62, 0x03});
  EXPECT_EQ(with_index(10), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, SegmentsOfUnknownBaseAreUnsupported) {
  for (const uint16_t selector : std::initializer_list<uint16_t>{0x0f, 0x07, 0x63, 0x7b}) {
    registers.ds = selector;
    EXPECT_EQ(with_index(10), BoundVerdict::Unsupported) << selector;
  }
  registers.ds = 0x2b;
  code({0x65, 0x62, 0x03});
  registers.gs = 0x0f;
  EXPECT_EQ(with_index(10), BoundVerdict::Unsupported);
  // Only the segment that is used matters.
  code({0x62, 0x03});
  EXPECT_EQ(with_index(10), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, OnlyFlat32BitCodeIsDecided) {
  registers.cs = 0x33;
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
  registers.cs = 0x0f;
  EXPECT_EQ(with_index(10), BoundVerdict::Unsupported);
  registers.cs = 0x23;
  registers.rip |= uint64_t{1} << 32;
  memory.write(registers.rip, {0x62, 0x03});
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
}

TEST_F(EvaluateBound, OffsetsWrapAtTheAddressSize) {
  code({0x62, 0x43, 0x10});  // bound 16(%ebx), %eax
  registers.ds = 0x2b;
  registers.gpr[Rbx] = 0xfffffff8;
  bounds(8, 0, 9);
  ASSERT_EQ(with_index(10), BoundVerdict::Exceeded);
  EXPECT_EQ(event.bounds_address, 8u);
  code({0x67, 0x62, 0x47, 0x10});  // bound 16(%bx), %eax
  registers.gpr[Rbx] = 0xabcdfff8;
  ASSERT_EQ(with_index(10), BoundVerdict::Exceeded);
  EXPECT_EQ(event.bounds_address, 8u);
}

TEST_F(EvaluateBound, TheUpperBoundsOffsetWrapsByItself) {
  code({0x67, 0x62, 0x07});  // bound (%bx), %eax
  registers.gpr[Rbx] = 0xfffc;
  memory.write_value<int32_t>(0xfffc, 0);
  memory.write_value<int32_t>(0, 7);
  memory.write_value<int32_t>(0x10000, 9);
  EXPECT_EQ(with_index(7), BoundVerdict::InRange);
  ASSERT_EQ(with_index(8), BoundVerdict::Exceeded);
  EXPECT_EQ(event.upper, 7);
}

TEST_F(EvaluateBound, BoundsAcrossAPageOfNothingAreUnreadable) {
  registers.gpr[Rbx] = kData + 0xffe;
  EXPECT_EQ(with_index(5), BoundVerdict::Unreadable) << "inside the lower bound";
  registers.gpr[Rbx] = kData + 0xffc;
  EXPECT_EQ(with_index(5), BoundVerdict::Unreadable) << "between the bounds";
  memory.page(kData + 0x1000);
  EXPECT_EQ(with_index(5), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, AnIndexBelowTheLowerBoundNeedsNoUpperBound) {
  registers.gpr[Rbx] = kData + 0xffc;
  memory.write_value<int32_t>(kData + 0xffc, 3);
  ASSERT_EQ(with_index(2), BoundVerdict::Exceeded);
  EXPECT_EQ(event.confidence, Confidence::Likely);
  EXPECT_EQ(event.lower, 3);
  EXPECT_EQ(event.upper, INT32_MAX);
}

TEST_F(EvaluateBound, ABoundAcross4GiBIsUnreadableWhateverLiesThere) {
  memory.page(0xfffff000).fill(0);
  memory.page(0x100000000).fill(0);
  memory.page(0).fill(0);
  registers.gpr[Rbx] = 0xfffffffe;
  EXPECT_EQ(with_index(5), BoundVerdict::Unreadable);
  registers.gpr[Rbx] = 0xfffffff8;
  EXPECT_EQ(with_index(5), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, MisalignedBoundsUnderAlignmentCheckingAreAnotherException) {
  registers.rflags |= 1 << 18;
  registers.gpr[Rbx] = kData + 2;
  EXPECT_EQ(with_index(0x7fffffff), BoundVerdict::NotBound);
  registers.gpr[Rbx] = kData + 4;
  EXPECT_EQ(with_index(0x7fffffff), BoundVerdict::Exceeded);
  code({0x66, 0x62, 0x03});
  registers.gpr[Rbx] = kData + 2;
  EXPECT_EQ(with_index(0x7fff), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, CodeAtTheEndOfAPageIsDecodedAsFarAsItGoes) {
  registers.rip = kCode + 0xffe;
  memory.write(registers.rip, {0x62, 0x03});
  EXPECT_EQ(with_index(10), BoundVerdict::Exceeded);
  memory.write(registers.rip, {0x62, 0x43});  // its displacement is missing
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
  registers.rip = 0x400000;  // no code at all
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
}

TEST_F(EvaluateBound, CodeEndsAt4GiB) {
  registers.rip = 0xffffffff;
  memory.write(registers.rip, {0x62, 0x03});
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
  registers.rip = 0xfffffffe;
  memory.write(registers.rip, {0x62, 0x03});
  EXPECT_EQ(with_index(10), BoundVerdict::Exceeded);
}

TEST_F(EvaluateBound, OtherInstructionsAreNotBound) {
  code({0xcd, 0x05});  // int $5: #GP in user mode
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
  code({0xf4});  // hlt
  EXPECT_EQ(with_index(10), BoundVerdict::NotBound);
}

TEST_F(EvaluateBound, AsksTheTargetForMemoryTwice) {
  const unsigned before = memory.reads();
  EXPECT_EQ(with_index(10), BoundVerdict::Exceeded);
  EXPECT_EQ(memory.reads() - before, 2u) << "one for the code, one for both bounds";
}

TEST_F(EvaluateBound, EffectiveAddressIsThatOfTheLowerBound) {
  const BoundInstruction instruction{.length = 7,
                                     .operand_bits = 32,
                                     .address_bits = 32,
                                     .index_register = Rax,
                                     .segment = Segment::Gs,
                                     .base = Rbx,
                                     .index = Rcx,
                                     .scale = 8,
                                     .displacement = -4};
  uint32_t linear = 0;
  registers.gpr[Rcx] = 3;
  registers.gs = 0x63;
  registers.gs_base = 0x1000;
  ASSERT_TRUE(effective_address(instruction, registers, linear));
  EXPECT_EQ(linear, kData + 0x1000 + 24 - 4);
  registers.gs = 0;
  EXPECT_FALSE(effective_address(instruction, registers, linear));
  registers.gs = 0x0f;
  EXPECT_FALSE(effective_address(instruction, registers, linear));
}

TEST_F(EvaluateBound, SixteenBitEffectiveAddressesStayInTheFirst64KiBOfTheSegment) {
  const BoundInstruction instruction{.length = 7,
                                     .operand_bits = 32,
                                     .address_bits = 16,
                                     .index_register = Rax,
                                     .segment = Segment::Fs,
                                     .base = Rbx,
                                     .index = Rsi,
                                     .displacement = -1};
  uint32_t linear = 0;
  registers.gpr[Rbx] = 0x1234ffff;
  registers.gpr[Rsi] = 0x56780003;
  registers.fs = 0x63;
  registers.fs_base = 0x20000000;
  ASSERT_TRUE(effective_address(instruction, registers, linear));
  EXPECT_EQ(linear, 0x20000001u);
}

}  // namespace
}  // namespace kebound::x86
