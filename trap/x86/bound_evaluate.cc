// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/bound_impl.h"

namespace kebound::x86 {

using namespace bound_impl;

bool effective_address(const BoundInstruction& instruction, const Registers& registers,
                       uint32_t& linear) noexcept {
  uint32_t base = 0;
  if (segment_base(instruction.segment, registers, base) != SegmentState::Usable) return false;
  linear = base + effective_offset(instruction, registers);
  return true;
}

BoundVerdict evaluate_bound(const Registers& registers, MemoryReader memory,
                            BoundEvent& event) noexcept {
  if ((registers.cs & kLdtBit) != 0) return BoundVerdict::Unsupported;
  if (registers.cs != kFlatCode32 || registers.rip >= kAddressEnd) return BoundVerdict::NotBound;

  uint8_t code[kMaxInstructionLength];
  const uint64_t room = kAddressEnd - registers.rip;
  const size_t wanted = room < sizeof code ? static_cast<size_t>(room) : sizeof code;
  const size_t readable = memory.read_some(memory.self, registers.rip, code, wanted);
  BoundInstruction instruction;
  if (!decode_bound(code, readable, CodeSize::Bits32, instruction)) return BoundVerdict::NotBound;
  return evaluate_bound(instruction, registers, memory, event);
}

BoundVerdict evaluate_bound(const BoundInstruction& instruction, const Registers& registers,
                            const MemoryReader& memory, BoundEvent& event) noexcept {
  return evaluate_bound_in(instruction, registers, memory, event);
}

}  // namespace kebound::x86
