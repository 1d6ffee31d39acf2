// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/compiler_trap.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace kebound::x86 {
namespace {

std::optional<CompilerTrap> decode(const std::vector<uint8_t>& code) {
  CompilerTrap trap;
  if (!decode_compiler_trap(code.data(), code.size(), trap)) return std::nullopt;
  return trap;
}

TEST(CompilerTrap, KnowsUd2) {
  const auto trap = decode({0x0f, 0x0b, 0xcc});
  ASSERT_TRUE(trap);
  EXPECT_EQ(trap->kind, CompilerTrapKind::Ud2);
  EXPECT_EQ(trap->length, 2);
  EXPECT_FALSE(is_array_bounds_check(*trap));
}

TEST(CompilerTrap, ReadsTheCheckOf64BitCode) {
  const auto trap = decode({0x67, 0x0f, 0xb9, 0x40, 0x12});
  ASSERT_TRUE(trap);
  EXPECT_EQ(trap->kind, CompilerTrapKind::UbsanUd1);
  EXPECT_EQ(trap->length, 5);
  EXPECT_EQ(trap->check, kUbsanOutOfBounds);
  EXPECT_TRUE(is_array_bounds_check(*trap));
}

TEST(CompilerTrap, ReadsTheCheckOf32BitCode) {
  const auto trap = decode({0x0f, 0xb9, 0x40, 0x16});
  ASSERT_TRUE(trap);
  EXPECT_EQ(trap->length, 4);
  EXPECT_EQ(trap->check, kUbsanTypeMismatch);
  EXPECT_FALSE(is_array_bounds_check(*trap));
}

TEST(CompilerTrap, RefusesOtherUd1FormsAndOtherInstructions) {
  EXPECT_FALSE(decode({0x0f, 0xb9, 0xc0, 0x12}));           // register form
  EXPECT_FALSE(decode({0x0f, 0xb9, 0x80, 0x12, 0, 0, 0}));  // 32-bit displacement
  EXPECT_FALSE(decode({0x66, 0x0f, 0xb9, 0x40, 0x12}));
  EXPECT_FALSE(decode({0x67, 0x0f, 0x0b}));
  EXPECT_FALSE(decode({0x0f, 0x05}));
  EXPECT_FALSE(decode({0xcc, 0x0f, 0x0b}));
}

TEST(CompilerTrap, RefusesTruncatedCode) {
  const std::vector<uint8_t> whole = {0x67, 0x0f, 0xb9, 0x40, 0x12};
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode({whole.begin(), whole.begin() + static_cast<long>(size)})) << size;
  }
  EXPECT_FALSE(decode({0x0f}));
  EXPECT_FALSE(decode({0x0f, 0xb9, 0x40}));
}

TEST(CompilerTrap, LeavesTheResultAloneWhenItIsNone) {
  CompilerTrap trap{CompilerTrapKind::UbsanUd1, 77, 88};
  const uint8_t nop[] = {0x90, 0x90, 0x90, 0x90, 0x90};
  EXPECT_FALSE(decode_compiler_trap(nop, sizeof nop, trap));
  EXPECT_EQ(trap.length, 77);
  EXPECT_EQ(trap.check, 88);
}

}  // namespace
}  // namespace kebound::x86
