// SPDX-License-Identifier: Apache-2.0
#include "hosts/kernel/describe_bound.h"

#include "trap/x86/bound.h"
#include "trap/x86/mpx.h"

namespace kebound {

namespace {

constexpr uint16_t kUserCs64 = 0x33;
constexpr uint16_t kFlatCode32 = 0x23;
constexpr uint64_t kCode32End = uint64_t{1} << 32;

// What is known of any #BR.
void begin_event(const x86::Registers& registers, BoundEvent& event) noexcept {
  event = BoundEvent{};
  event.ip = registers.rip;
  event.trap_ip = registers.rip;
}

}  // namespace

void describe_bound(x86::Registers& registers, const MemoryReader& memory, BaseReader read_bases,
                    BoundEvent& event) noexcept {
  uint8_t code[x86::kMaxInstructionLength];
  const size_t size = memory.read_some(memory.self, registers.rip, code, sizeof code);
  const bool code64 = registers.cs == kUserCs64;
  x86::BoundInstruction bound;
  if (!code64 && x86::decode_bound(code, size, x86::CodeSize::Bits32, bound)) {
    const bool is_flat =
        registers.cs == kFlatCode32 && registers.rip + bound.length <= kCode32End;
    if (bound.segment >= x86::Segment::Fs && read_bases != nullptr) read_bases(registers);
    if (is_flat &&
        x86::evaluate_bound(bound, registers, memory, event) == x86::BoundVerdict::Exceeded) {
      return;
    }
    begin_event(registers, event);
    event.instruction_length = bound.length;
    event.index_register = bound.index_register;
    event.index_width = bound.operand_bits;
    return;
  }
  begin_event(registers, event);
  if (read_bases != nullptr) read_bases(registers);
  x86::MpxCheck check;
  if (x86::decode_mpx_check(code, size, code64, check)) x86::describe_mpx(check, registers, event);
}

}  // namespace kebound
