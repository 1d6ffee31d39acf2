// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/mpx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <vector>

namespace kebound::x86 {
namespace {

MpxCheck decoded(std::initializer_list<uint8_t> bytes, bool code64 = true) {
  const std::vector<uint8_t> code(bytes);
  MpxCheck check;
  EXPECT_TRUE(decode_mpx_check(code.data(), code.size(), code64, check));
  EXPECT_EQ(check.length, code.size());
  return check;
}

bool decodes(std::initializer_list<uint8_t> bytes, bool code64 = true) {
  const std::vector<uint8_t> code(bytes);
  MpxCheck check;
  return decode_mpx_check(code.data(), code.size(), code64, check);
}

TEST(Mpx, TellsTheThreeChecksByPrefixAndOpcode) {
  EXPECT_EQ(decoded({0xf3, 0x0f, 0x1a, 0xc0}).op, MpxOp::Lower);
  EXPECT_EQ(decoded({0xf2, 0x0f, 0x1a, 0xc0}).op, MpxOp::Upper);
  EXPECT_EQ(decoded({0xf2, 0x0f, 0x1b, 0xc0}).op, MpxOp::UpperPlain);
  EXPECT_FALSE(decodes({0xf3, 0x0f, 0x1b, 0xc0}));  // bndmk
  EXPECT_FALSE(decodes({0x0f, 0x1a, 0xc0}));        // bndldx
  EXPECT_FALSE(decodes({0x66, 0x0f, 0x1a, 0xc0}));  // bndmov
}

TEST(Mpx, ReadsRegisterOperandsWithTheirExtension) {
  const MpxCheck check = decoded({0xf2, 0x41, 0x0f, 0x1a, 0xdc});  // bndcu %r12, %bnd3
  EXPECT_TRUE(check.is_register);
  EXPECT_EQ(check.base, R12);
  EXPECT_EQ(check.bound_register, 3);
}

TEST(Mpx, KnowsFourBoundRegisters) {
  EXPECT_TRUE(decodes({0xf3, 0x0f, 0x1a, 0xd8}));
  EXPECT_FALSE(decodes({0xf3, 0x0f, 0x1a, 0xe0}));        // bnd4
  EXPECT_FALSE(decodes({0xf3, 0x44, 0x0f, 0x1a, 0xc0}));  // bnd8
}

TEST(Mpx, ReadsMemoryOperands) {
  const MpxCheck sib = decoded({0xf3, 0x0f, 0x1a, 0x44, 0x8b, 0xf0});  // bndcl -16(%rbx,%rcx,4)
  EXPECT_EQ(sib.base, Rbx);
  EXPECT_EQ(sib.index, Rcx);
  EXPECT_EQ(sib.scale, 4);
  EXPECT_EQ(sib.displacement, -16);
  EXPECT_TRUE(decoded({0xf3, 0x0f, 0x1a, 0x05, 1, 0, 0, 0}).rip_relative);
  EXPECT_FALSE(decoded({0xf3, 0x0f, 0x1a, 0x05, 1, 0, 0, 0}, false).rip_relative);
  EXPECT_FALSE(decodes({0xf3, 0x0f, 0x1a, 0x44, 0x8b}));  // cut off
}

TEST(Mpx, HasNoRexIn32BitCode) { EXPECT_FALSE(decodes({0xf2, 0x41, 0x0f, 0x1a, 0xdc}, false)); }

TEST(Mpx, ObeysTheLastRepeatPrefixAndARexDirectlyBeforeTheOpcode) {
  EXPECT_EQ(decoded({0xf3, 0xf2, 0x0f, 0x1a, 0xc0}).op, MpxOp::Upper);
  EXPECT_EQ(decoded({0x41, 0xf2, 0x0f, 0x1a, 0xc0}).base, Rax);  // the REX is void
}

TEST(Mpx, RefusesMoreThanFifteenBytes) {
  // Prefixes, then bndcl %rax, %bnd0.
  std::array<uint8_t, 16> code;
  code.fill(0x3e);
  constexpr uint8_t kCheck[] = {0xf3, 0x0f, 0x1a, 0xc0};
  std::copy(std::begin(kCheck), std::end(kCheck), code.end() - sizeof kCheck);
  MpxCheck check;
  EXPECT_TRUE(decode_mpx_check(code.data() + 1, code.size() - 1, true, check));
  EXPECT_FALSE(decode_mpx_check(code.data(), code.size(), true, check));
}

TEST(Mpx, DescribesTheCheckedAddress) {
  Registers registers;
  registers.rip = 0x401000;
  registers.gpr[Rbx] = 0x1000;
  registers.gpr[Rcx] = 3;
  BoundEvent event;
  event.ip = registers.rip;
  describe_mpx(decoded({0xf3, 0x0f, 0x1a, 0x44, 0x8b, 0xf0}), registers, event);
  EXPECT_EQ(event.source, BoundSource::X86Mpx);
  EXPECT_EQ(event.confidence, Confidence::Unknown);  // of the bounds nothing is known
  EXPECT_EQ(event.instruction_length, 6);
  EXPECT_EQ(event.index, 0x1000 + 12 - 16);
  describe_mpx(decoded({0xf3, 0x0f, 0x1a, 0x05, 1, 0, 0, 0}), registers, event);
  EXPECT_EQ(event.index, 0x401000 + 8 + 1);
}

}  // namespace
}  // namespace kebound::x86
