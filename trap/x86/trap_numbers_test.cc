// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/trap_numbers.h"

#include <gtest/gtest.h>

#include "trap/x86/fake_memory.h"

namespace kebound::x86 {
namespace {

constexpr uint64_t kText = 0x400000;

class TrapNumbersTest : public ::testing::Test {
 protected:
  void trap(uint64_t offset, uint8_t number) {
    memory_.write(kText + offset, {0x67, 0x0f, 0xb9, 0x40, number});
  }
  [[nodiscard]] bool numbered(uint64_t size, CodeMode mode = CodeMode::Bits64) {
    for (uint64_t at = 0; at < size; at += FakeMemory::kPage) memory_.page(kText + at);
    return numbers_its_traps({kText, kText + size}, mode, memory_.reader());
  }
  FakeMemory memory_;
};

TEST_F(TrapNumbersTest, An_image_without_traps_does_not_number_them) {
  EXPECT_FALSE(numbered(8192));
}

TEST_F(TrapNumbersTest, Kinds_are_no_numbers_however_many) {
  for (uint8_t kind = 0; kind <= 0x18; ++kind) trap(kind * 16u, kind);
  EXPECT_FALSE(numbered(8192));
}

TEST_F(TrapNumbersTest, Several_numbers_that_are_no_kinds_say_so_wherever_they_lie) {
  // Across the boundary of what is read at once, and at the very end.
  trap(1022, 0x40);
  trap(2044, 0x41);
  trap(8192 - 5, 0x42);
  EXPECT_TRUE(numbered(8192));
}

TEST_F(TrapNumbersTest, The_same_number_again_and_again_is_one) {
  for (unsigned i = 0; i < 20; ++i) trap(i * 32, 0x40);
  trap(1000, 0x41);
  EXPECT_FALSE(numbered(8192));
}

TEST_F(TrapNumbersTest, In_32_bit_code_there_is_no_prefix) {
  for (uint8_t i = 0; i < 3; ++i) {
    memory_.write(kText + i * 16u, {0x0f, 0xb9, 0x40, static_cast<uint8_t>(0x80 + i)});
  }
  EXPECT_TRUE(numbered(4096, CodeMode::Bits32));
  EXPECT_FALSE(numbered(4096, CodeMode::Bits64));
}

TEST_F(TrapNumbersTest, Unreadable_text_ends_the_search) {
  trap(0, 0x40);
  trap(100, 0x41);
  trap(200, 0x42);
  EXPECT_TRUE(numbers_its_traps({kText, kText + 65536}, CodeMode::Bits64, memory_.reader()));
  EXPECT_FALSE(numbers_its_traps({kText - 65536, kText}, CodeMode::Bits64, memory_.reader()));
}

}  // namespace
}  // namespace kebound::x86
