// SPDX-License-Identifier: Apache-2.0
//
// Single facts about the encoding, readable one by one; zydis_oracle_test.cc has the bulk.
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "trap/x86/bound.h"

namespace kebound::x86 {
namespace {

using Bytes = std::vector<uint8_t>;

std::optional<BoundInstruction> decode(const Bytes& code, CodeSize code_size = CodeSize::Bits32) {
  BoundInstruction out;
  if (!decode_bound(code.data(), code.size(), code_size, out)) return std::nullopt;
  return out;
}

TEST(DecodeBound, ReadsTheSimplestForm) {
  const auto bound = decode({0x62, 0x03});  // bound (%ebx), %eax
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->length, 2);
  EXPECT_EQ(bound->operand_bits, 32);
  EXPECT_EQ(bound->address_bits, 32);
  EXPECT_EQ(bound->index_register, Rax);
  EXPECT_EQ(bound->segment, Segment::Ds);
  EXPECT_EQ(bound->base, Rbx);
  EXPECT_EQ(bound->index, kNoRegister);
  EXPECT_EQ(bound->displacement, 0);
}

TEST(DecodeBound, ReadsASibByteAndADisplacement) {
  const auto bound = decode({0x62, 0x94, 0xb1, 0xf0, 0xff, 0xff, 0xff});
  ASSERT_TRUE(bound);  // bound -16(%ecx,%esi,4), %edx
  EXPECT_EQ(bound->length, 7);
  EXPECT_EQ(bound->index_register, Rdx);
  EXPECT_EQ(bound->base, Rcx);
  EXPECT_EQ(bound->index, Rsi);
  EXPECT_EQ(bound->scale, 4);
  EXPECT_EQ(bound->displacement, -16);
}

TEST(DecodeBound, DisplacementsOfEverySizeAreSignExtended) {
  EXPECT_EQ(decode({0x62, 0x43, 0x80})->displacement, -128);
  EXPECT_EQ(decode({0x67, 0x62, 0x47, 0xff})->displacement, -1);
  EXPECT_EQ(decode({0x67, 0x62, 0x87, 0x00, 0x80})->displacement, -32768);
  EXPECT_EQ(decode({0x62, 0x83, 0x00, 0x00, 0x00, 0x80})->displacement, INT32_MIN);
}

TEST(DecodeBound, PrefixesToggleTheSizesOnceHoweverOftenTheyCome) {
  EXPECT_EQ(decode({0x66, 0x62, 0x03})->operand_bits, 16);
  EXPECT_EQ(decode({0x66, 0x66, 0x62, 0x03})->operand_bits, 16);
  EXPECT_EQ(decode({0x67, 0x62, 0x07})->address_bits, 16);
  EXPECT_EQ(decode({0x67, 0x67, 0x62, 0x07})->address_bits, 16);
  EXPECT_EQ(decode({0x62, 0x07}, CodeSize::Bits16)->operand_bits, 16);
  EXPECT_EQ(decode({0x66, 0x67, 0x62, 0x03}, CodeSize::Bits16)->operand_bits, 32);
  EXPECT_EQ(decode({0x66, 0x67, 0x62, 0x03}, CodeSize::Bits16)->address_bits, 32);
}

TEST(DecodeBound, TheLastSegmentOverrideWins) {
  EXPECT_EQ(decode({0x64, 0x65, 0x26, 0x62, 0x03})->segment, Segment::Es);
  EXPECT_EQ(decode({0x26, 0x66, 0x65, 0x62, 0x03})->segment, Segment::Gs);
}

TEST(DecodeBound, BasesOnTheStackTakeTheStackSegment) {
  EXPECT_EQ(decode({0x62, 0x45, 0x08})->segment, Segment::Ss);              // 8(%ebp)
  EXPECT_EQ(decode({0x62, 0x04, 0x24})->segment, Segment::Ss);              // (%esp)
  EXPECT_EQ(decode({0x62, 0x04, 0x2b})->segment, Segment::Ds);              // (%ebx,%ebp)
  EXPECT_EQ(decode({0x62, 0x05, 0, 0, 0, 0})->segment, Segment::Ds);        // absolute
  EXPECT_EQ(decode({0x62, 0x04, 0x2d, 0, 0, 0, 0})->segment, Segment::Ds);  // (,%ebp,1)
  EXPECT_EQ(decode({0x67, 0x62, 0x02})->segment, Segment::Ss);              // (%bp,%si)
  EXPECT_EQ(decode({0x67, 0x62, 0x06, 0, 0})->segment, Segment::Ds);        // absolute, 16 bits
  EXPECT_EQ(decode({0x3e, 0x62, 0x45, 0x08})->segment, Segment::Ds);
}

TEST(DecodeBound, LockAndRegisterOperandsAreNoBound) {
  EXPECT_FALSE(decode({0xf0, 0x62, 0x03}));
  EXPECT_FALSE(decode({0x62, 0xc3}));
  EXPECT_FALSE(decode({0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1}));  // EVEX vmovaps
}

TEST(DecodeBound, RepeatPrefixesMeanNothing) {
  EXPECT_EQ(decode({0xf3, 0x62, 0x03})->length, 3);
  EXPECT_EQ(decode({0xf2, 0xf3, 0x62, 0x03})->length, 4);
}

TEST(DecodeBound, FifteenBytesAreTheLimit) {
  Bytes fifteen(13, 0x3e);
  fifteen.insert(fifteen.end(), {0x62, 0x03});
  ASSERT_TRUE(decode(fifteen));
  EXPECT_EQ(decode(fifteen)->length, 15);
  Bytes sixteen = fifteen;
  sixteen.insert(sixteen.begin(), 0x3e);
  EXPECT_FALSE(decode(sixteen));
  // The limit counts the operand's bytes too.
  Bytes with_displacement(12, 0x3e);
  with_displacement.insert(with_displacement.end(), {0x62, 0x83, 0, 0, 0, 0});
  EXPECT_FALSE(decode(with_displacement));
}

TEST(DecodeBound, NothingIsReadBeyondTheBytesThatAreThere) {
  // Each copy on the heap, so that AddressSanitizer sees a byte too many.
  for (const Bytes& whole :
       {Bytes{0x62, 0x03}, Bytes{0x62, 0x43, 0x01}, Bytes{0x62, 0x44, 0x8b, 0x01},
        Bytes{0x62, 0x05, 1, 2, 3, 4}, Bytes{0x64, 0x66, 0x67, 0x62, 0x87, 1, 2}}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decode(Bytes(whole.begin(), whole.begin() + static_cast<long>(size)))) << size;
    }
    EXPECT_TRUE(decode(whole));
  }
  BoundInstruction out;
  EXPECT_FALSE(decode_bound(nullptr, 0, CodeSize::Bits32, out));
}

TEST(DecodeBound, ARefusalLeavesTheResultAlone) {
  BoundInstruction out;
  out.length = 77;
  const uint8_t code[] = {0x66, 0x62, 0x84, 0x8b, 0x01};
  EXPECT_FALSE(decode_bound(code, sizeof code, CodeSize::Bits32, out));
  EXPECT_EQ(out.length, 77);
  EXPECT_EQ(out.operand_bits, 0);
}

}  // namespace
}  // namespace kebound::x86
