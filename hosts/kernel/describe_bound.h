// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hosts/kernel/user_return.h"
#include "trap/bound_event.h"
#include "trap/x86/bound_impl.h"
#include "trap/x86/mpx.h"
#include "trap/x86/registers.h"

namespace kebound {

// Any #BR, of which nothing but that is known. Context: anywhere.
inline void begin_bound_event(const x86::Registers& registers, BoundEvent& event) noexcept {
  event = BoundEvent{};
  event.ip = registers.rip;
  event.trap_ip = registers.rip;
}

// What is known about a #BR of user mode that is no BOUND of 32-bit code: MPX', or it says less.
void describe_other(const x86::Registers& registers, const uint8_t* code, size_t size,
                    BoundEvent& event) noexcept;

// What is known about a #BR of user mode. The processor says that it is a bound exception, by
// vector 5; BOUND raises it, and MPX. The bytes and the bounds may have changed since the processor
// read them: then the event says less, but it stays one.
// `memory` is like a MemoryReader. `decode(code, size, ip, room)` is decode_bound() of 32-bit code to
// `room`, or remembers what that said; null where it is none. `read_bases` completes registers that come without their segment
// bases, as most checks need none; null: they have them. Context: as `memory` allows.
using BaseReader = void (*)(x86::Registers& registers);
template <class Memory, class Decode>
void describe_bound(x86::Registers& registers, const Memory& memory, Decode&& decode,
                    BaseReader read_bases, BoundEvent& event) noexcept {
  constexpr uint64_t kCode32End = uint64_t{1} << 32;
  // A word more than the longest instruction has room for, for those who compare words.
  alignas(8) uint8_t code[16];
  code[15] = 0;
  const size_t size =
      memory.read_some(memory.self, registers.rip, code, x86::kMaxInstructionLength);
  x86::BoundInstruction room;
  const x86::BoundInstruction* const bound =
      registers.cs == kUserCs64 ? nullptr : decode(code, size, registers.rip, room);
  if (bound == nullptr) {
    if (read_bases != nullptr) read_bases(registers);
    describe_other(registers, code, size, event);
    return;
  }
  if (bound->segment >= x86::Segment::Fs && read_bases != nullptr) read_bases(registers);
  const bool is_flat = registers.cs == kUserCs32 && registers.rip + bound->length <= kCode32End;
  if (is_flat &&
      x86::evaluate_bound_in(*bound, registers, memory, event) == x86::BoundVerdict::Exceeded) {
    return;
  }
  begin_bound_event(registers, event);
  event.instruction_length = bound->length;
  event.index_register = bound->index_register;
  event.index_width = bound->operand_bits;
}

// Without a memory of its own for what was decoded.
inline const x86::BoundInstruction* decode_bound32(const uint8_t* code, size_t size,
                                                   uint64_t /*ip*/,
                                                   x86::BoundInstruction& room) noexcept {
  return x86::decode_bound(code, size, x86::CodeSize::Bits32, room) ? &room : nullptr;
}

}  // namespace kebound
