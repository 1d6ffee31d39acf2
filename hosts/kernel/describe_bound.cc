// SPDX-License-Identifier: Apache-2.0
#include "hosts/kernel/describe_bound.h"

namespace kebound {

void describe_other(const x86::Registers& registers, const uint8_t* code, size_t size,
                    BoundEvent& event) noexcept {
  begin_bound_event(registers, event);
  x86::MpxCheck check;
  if (x86::decode_mpx_check(code, size, registers.cs == kUserCs64, check))
    x86::describe_mpx(check, registers, event);
}

}  // namespace kebound
