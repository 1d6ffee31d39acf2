// SPDX-License-Identifier: Apache-2.0
//
// evaluate_bound() of bound.h, for whatever memory: a host on whose way each instruction counts has
// this in one piece with what reads its memory.
#pragma once

#include "trap/x86/bound.h"

namespace kebound::x86 {

namespace bound_impl {

// Linux' GDT on x86-64: the flat segments user code can load, without the RPL bits. A data segment
// register takes any of them, the readable code segments included, with any RPL.
inline constexpr uint16_t kUser32Cs = 0x20;
inline constexpr uint16_t kUserDs = 0x28;
inline constexpr uint16_t kUser64Cs = 0x30;
inline constexpr uint16_t kRplMask = 3;
inline constexpr uint16_t kLdtBit = 4;

// The selector 32-bit user code runs with; CS always carries the privilege level.
inline constexpr uint16_t kFlatCode32 = kUser32Cs | 3;

inline constexpr uint64_t kRflagsAc = uint64_t{1} << 18;
inline constexpr uint64_t kAddressEnd = uint64_t{1} << 32;  // compatibility mode sees 4 GiB

enum class SegmentState : uint8_t {
  Usable,   // base known, limit 4 GiB
  Null,     // any access raises #GP
  Unknown,  // neither base nor limit can be told from the registers
};

[[nodiscard]] inline bool is_null(uint16_t selector) noexcept {
  return (selector & ~kRplMask) == 0;
}

[[nodiscard]] inline SegmentState flat_segment(uint16_t selector) noexcept {
  if (is_null(selector)) return SegmentState::Null;
  const uint16_t entry = selector & ~kRplMask;
  return entry == kUserDs || entry == kUser32Cs || entry == kUser64Cs ? SegmentState::Usable
                                                                      : SegmentState::Unknown;
}

// FS and GS: the host knows the base, whatever GDT entry is loaded. An LDT entry may have any limit
// and type beside it, so its base alone decides nothing.
[[nodiscard]] inline SegmentState based_segment(uint16_t selector) noexcept {
  if (is_null(selector)) return SegmentState::Null;
  return (selector & kLdtBit) != 0 ? SegmentState::Unknown : SegmentState::Usable;
}

[[nodiscard]] inline SegmentState segment_base(Segment segment, const Registers& registers,
                                               uint32_t& base) noexcept {
  base = 0;
  if (segment == Segment::Ds) return flat_segment(registers.ds);
  switch (segment) {
    case Segment::Es:
      return flat_segment(registers.es);
    case Segment::Cs:
      return flat_segment(registers.cs);
    case Segment::Ss:
      return flat_segment(registers.ss);
    case Segment::Ds:
      break;
    case Segment::Fs:
      base = static_cast<uint32_t>(registers.fs_base);
      return based_segment(registers.fs);
    case Segment::Gs:
      base = static_cast<uint32_t>(registers.gs_base);
      return based_segment(registers.gs);
  }
  return SegmentState::Unknown;
}

[[nodiscard]] inline uint32_t register32(const Registers& registers, uint8_t number) noexcept {
  // A 64-bit process that runs 32-bit code may have anything in the upper halves.
  return number == kNoRegister ? 0 : static_cast<uint32_t>(registers.gpr[number & 15]);
}

// The offset within the segment.
[[nodiscard]] inline uint32_t effective_offset(const BoundInstruction& instruction,
                                               const Registers& registers) noexcept {
  const uint32_t offset = register32(registers, instruction.base) +
                          register32(registers, instruction.index) * instruction.scale +
                          static_cast<uint32_t>(instruction.displacement);
  return instruction.address_bits == 16 ? offset & 0xffff : offset;
}

[[nodiscard]] inline int32_t sign_extend(uint32_t value, unsigned bits) noexcept {
  return bits == 16 ? static_cast<int16_t>(value) : static_cast<int32_t>(value);
}

[[nodiscard]] inline int32_t bound_at(const uint8_t* bytes, unsigned bits) noexcept {
  if (bits == 16) {
    int16_t value;
    __builtin_memcpy(&value, bytes, sizeof value);
    return value;
  }
  int32_t value;
  __builtin_memcpy(&value, bytes, sizeof value);
  return value;
}

// Where the two bounds are: pairs of `width` bytes at `offset` of a segment that begins at `base`.
struct Pair {
  uint32_t base;
  uint32_t offset;
  uint32_t width;
  uint32_t mask;  // of offsets

  [[nodiscard]] uint32_t linear() const noexcept { return base + offset; }
  // One behind the other, as nearly always: neither offsets nor addresses end in between.
  [[nodiscard]] bool is_whole() const noexcept {
    return offset <= mask - (2 * width - 1) && linear() <= uint32_t(kAddressEnd - 2 * width);
  }
};

// The processor makes two accesses and computes the offset of each, so that with the pair across
// the end of the offsets (64 KiB or 4 GiB) the upper bound is at offset 0 or so. One access is
// never split: it stays inside the segment or faults.
template <class Memory>
[[nodiscard]] bool read_apart(const Memory& memory, const Pair& pair, uint32_t at,
                              uint8_t* bytes) noexcept {
  const uint32_t linear = pair.base + at;
  return at + uint64_t{pair.width} <= kAddressEnd && linear + uint64_t{pair.width} <= kAddressEnd &&
         memory.read(linear, bytes, pair.width);
}

// Reads the bounds to bytes[0] and bytes[width]; returns how many of the two are readable, the
// lower one first.
template <class Memory>
[[nodiscard]] unsigned read_bounds(const Memory& memory, const Pair& pair,
                                   uint8_t (&bytes)[8]) noexcept {
  if (pair.is_whole()) {  // one access to another process' memory costs less than two
    const size_t readable = memory.read_some(memory.self, pair.linear(), bytes, 2 * pair.width);
    return readable >= 2 * pair.width ? 2 : readable >= pair.width ? 1 : 0;
  }
  if (!read_apart(memory, pair, pair.offset, bytes)) return 0;
  const uint32_t upper = (pair.offset + pair.width) & pair.mask;
  return read_apart(memory, pair, upper, bytes + pair.width) ? 2 : 1;
}

}  // namespace bound_impl

// `memory` has self, read_some() and read() as MemoryReader has.
template <class Memory>
[[nodiscard]] BoundVerdict evaluate_bound_in(const BoundInstruction& instruction,
                                             const Registers& registers, const Memory& memory,
                                             BoundEvent& event) noexcept {
  using namespace bound_impl;
  uint32_t base = 0;
  switch (segment_base(instruction.segment, registers, base)) {
    case SegmentState::Null:
      return BoundVerdict::NotBound;
    case SegmentState::Unknown:
      return BoundVerdict::Unsupported;
    case SegmentState::Usable:
      break;
  }
  const unsigned bits = instruction.operand_bits;
  const Pair pair = {base, effective_offset(instruction, registers), bits / 8,
                     instruction.address_bits == 16 ? uint32_t{0xffff} : uint32_t{0xffffffff}};
  const bool aligned = (pair.linear() & (pair.width - 1)) == 0;
  if (!aligned && (registers.rflags & kRflagsAc) != 0) return BoundVerdict::NotBound;

  const int32_t index = sign_extend(register32(registers, instruction.index_register), bits);
  uint8_t bytes[8];
  const unsigned known = read_bounds(memory, pair, bytes);
  if (known == 0) return BoundVerdict::Unreadable;
  int32_t bounds[2] = {bound_at(bytes, bits), known == 2 ? bound_at(bytes + pair.width, bits) : 0};
  const bool below = index < bounds[0];
  if (known == 1) {
    // Processors compare with the lower bound before they touch the upper one.
    if (!below) return BoundVerdict::Unreadable;
    bounds[1] = bits == 16 ? INT16_MAX : INT32_MAX;
  } else if (!below && index <= bounds[1]) {
    return BoundVerdict::InRange;
  }

  event = {.source = BoundSource::X86Bound,
           .confidence = known == 2 ? Confidence::Certain : Confidence::Likely,
           .instruction_length = instruction.length,
           .index_register = instruction.index_register,
           .index_width = instruction.operand_bits,
           .ip = registers.rip,
           .index = index,
           .lower = bounds[0],
           .upper = bounds[1],
           .bounds_address = pair.linear(),
           .trap_ip = registers.rip,
           .index_raw = bits == 16 ? uint16_t(index) : uint32_t(index)};
  return BoundVerdict::Exceeded;
}

}  // namespace kebound::x86
