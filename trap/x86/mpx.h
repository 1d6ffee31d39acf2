// SPDX-License-Identifier: Apache-2.0
//
// The bound checks of MPX: BNDCL, BNDCU, BNDCN. Where they raise #BR the instruction pointer is at
// the check. The bound registers are not among the general ones: index and length are known, the
// bounds are not. Freestanding. Source: Intel SDM volume 2A, "BNDCL", "BNDCU/BNDCN".
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::x86 {

enum class MpxOp : uint8_t {
  Lower,      // bndcl: the address is not below the lower bound
  Upper,      // bndcu: not above the upper bound, which is stored in 1's complement
  UpperPlain  // bndcn: the same, not complemented
};

struct MpxCheck {
  MpxOp op = MpxOp::Lower;
  uint8_t length = 0;          // prefixes included
  uint8_t bound_register = 0;  // BND0..BND3
  bool is_register = false;    // the checked value is `base` itself, else an address
  uint8_t base = 0xff;         // Gpr, or 0xff: none
  uint8_t index = 0xff;
  uint8_t scale = 1;
  int32_t displacement = 0;
  bool rip_relative = false;
  bool is_64bit = false;
};

// True when `code` (`size` readable bytes from the instruction pointer on) begins with one of the
// checks; `out` is written only then. 32-bit addressing in 32-bit code, 64-bit addressing in 64-bit
// code: an address-size prefix is none of MPX' (it is ignored in 64-bit code and raises #UD in
// 16-bit addressing). Context: anywhere.
[[nodiscard]] bool decode_mpx_check(const uint8_t* code, size_t size, bool code64,
                                    MpxCheck& out) noexcept;

// Fills in source, length and the checked value of `event`, whose ip is set.
void describe_mpx(const MpxCheck& check, const Registers& registers, BoundEvent& event) noexcept;

}  // namespace kebound::x86
