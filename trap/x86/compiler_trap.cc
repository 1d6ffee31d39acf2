// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/compiler_trap.h"

namespace kebound::x86 {

bool decode_compiler_trap(const uint8_t* code, size_t size, CompilerTrap& out) noexcept {
  if (size >= 2 && code[0] == 0x0f && code[1] == 0x0b) {
    out = {CompilerTrapKind::Ud2, 2, 0};
    return true;
  }
  // ud1 disp8(%eax), %eax. The displacement is the kind; 64-bit code has the address-size prefix.
  const size_t prefix = size >= 1 && code[0] == 0x67 ? 1 : 0;
  if (size < prefix + 4 || code[prefix] != 0x0f || code[prefix + 1] != 0xb9 ||
      code[prefix + 2] != 0x40) {
    return false;
  }
  out = {CompilerTrapKind::UbsanUd1, static_cast<uint8_t>(prefix + 4), code[prefix + 3]};
  return true;
}

}  // namespace kebound::x86
