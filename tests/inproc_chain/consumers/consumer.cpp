// SPDX-License-Identifier: Apache-2.0
//
// The same in C++20.
#include <cstdio>
#include <kebound/kebound.hpp>
#include <string>

namespace {

void fail_a_check() { __asm__ volatile(".byte 0x67, 0x0f, 0xb9, 0x40, 0x12; .skip 11, 0x90"); }

}  // namespace

int main() {
  int asked = 0;
  {
    const kebound::Registration registration(
        [&asked](const kebound::Event&, kebound::EventRegisters& registers) {
          ++asked;
          registers.ip += 16;  // to code of ours: what is right behind a trap is refused
          return kebound::Answer::Handled;
        });
    if (!registration) return 1;
    fail_a_check();
    fail_a_check();
  }
  auto good = kebound::guarded([] { return std::string("good"); });
  const auto bad = kebound::guarded([] { fail_a_check(); });
  if (!good || good.value() != "good" || bad || bad.error().source != KEBOUND_SOURCE_CLANG_TRAP)
    return 1;
  std::printf("%s %d bits: asked %d times\n", kebound_version(),
              static_cast<int>(8 * sizeof(void*)), asked);
  return asked == 2 ? 0 : 1;
}
