// SPDX-License-Identifier: Apache-2.0
#include "hosts/kernel/describe_bound.h"

#include "trap/x86/bound.h"
#include "trap/x86/mpx.h"

namespace kebound {

namespace {

constexpr uint16_t kUserCs64 = 0x33;

}  // namespace

void describe_bound(const x86::Registers& registers, MemoryReader memory,
                    BoundEvent& event) noexcept {
  event = BoundEvent{};
  event.ip = registers.rip;
  event.trap_ip = registers.rip;
  if (x86::evaluate_bound(registers, memory, event) == x86::BoundVerdict::Exceeded) return;

  uint8_t code[x86::kMaxInstructionLength];
  const size_t size = memory.read_some(memory.self, registers.rip, code, sizeof code);
  const bool code64 = registers.cs == kUserCs64;
  x86::BoundInstruction bound;
  if (!code64 && x86::decode_bound(code, size, x86::CodeSize::Bits32, bound)) {
    event.instruction_length = bound.length;
    event.index_register = bound.index_register;
    event.index_width = bound.operand_bits;
    return;
  }
  x86::MpxCheck check;
  if (x86::decode_mpx_check(code, size, code64, check)) x86::describe_mpx(check, registers, event);
}

}  // namespace kebound
