// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/trap_numbers.h"

#include <stddef.h>
#include <stdint.h>

namespace kebound::x86 {
namespace {

constexpr uint64_t kMostText = uint64_t{64} << 20;
// The kinds of clang 14 to 19 end with 0x18; newer ones may add some.
constexpr uint8_t kGreatestKind = 0x1f;
constexpr unsigned kEnough = 3;

// Which numbers were seen.
struct Numbers {
  uint64_t seen[4] = {};

  void add(uint8_t number) noexcept { seen[number / 64] |= uint64_t{1} << number % 64; }
  [[nodiscard]] unsigned beyond_kinds() const noexcept {
    unsigned count = 0;
    for (unsigned number = kGreatestKind + 1; number < 256; ++number) {
      count += (seen[number / 64] >> number % 64 & 1) != 0;
    }
    return count;
  }
};

}  // namespace

bool numbers_its_traps(CodeRange text, CodeMode mode, MemoryReader memory) noexcept {
  // [67] 0f b9 40 number
  constexpr size_t kPattern = 5;
  const size_t prefix = mode == CodeMode::Bits64 ? 1 : 0;
  uint8_t bytes[1024];
  Numbers numbers;
  uint64_t at = text.begin;
  const uint64_t end = text.size() < kMostText ? text.end : text.begin + kMostText;
  while (at < end) {
    const size_t wanted = end - at < sizeof bytes ? static_cast<size_t>(end - at) : sizeof bytes;
    const size_t size = memory.read_some(memory.self, at, bytes, wanted);
    for (size_t i = 0; i + prefix + 4 <= size; ++i) {
      const uint8_t* const code = bytes + i + prefix;
      if (code[0] == 0x0f && code[1] == 0xb9 && code[2] == 0x40 &&
          (prefix == 0 || bytes[i] == 0x67)) {
        numbers.add(code[3]);
      }
    }
    if (size < wanted || size < kPattern) break;
    at += size == static_cast<size_t>(end - at) ? size : size - (kPattern - 1);
  }
  return numbers.beyond_kinds() >= kEnough;
}

}  // namespace kebound::x86
