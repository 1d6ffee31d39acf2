// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trap/x86/registers.h"

namespace kebound {

// The selectors of user mode, on Linux and here alike.
inline constexpr uint16_t kUserCs32 = 0x23;
inline constexpr uint16_t kUserDs = 0x2b;
inline constexpr uint16_t kUserCs64 = 0x33;

// What a callback may have made of the registers, so that the return to user mode stays one: flags
// were masked when the frame was applied; selectors are those of user mode or unchanged; addresses
// are below `user_end`. Null: no objection.
[[nodiscard]] inline const char* objection_to_return(const x86::Registers& wanted,
                                                     const x86::Registers& before,
                                                     uint64_t user_end) noexcept {
  if (wanted.cs != before.cs && wanted.cs != kUserCs32 && wanted.cs != kUserCs64)
    return "it left a code segment that is none of user mode's; it was propagated";
  if (wanted.ss != before.ss && wanted.ss != kUserDs)
    return "it left a stack segment that is none of user mode's; it was propagated";
  if (wanted.rip >= user_end || wanted.gpr[x86::Rsp] >= user_end)
    return "it left an instruction or stack pointer that is no user address; it was propagated";
  return nullptr;
}

}  // namespace kebound
