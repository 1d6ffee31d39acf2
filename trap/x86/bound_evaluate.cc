// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/bound.h"

namespace kebound::x86 {
namespace {

// Linux' GDT on x86-64: the flat segments user code can load, without the RPL bits. A data segment
// register takes any of them, the readable code segments included, with any RPL.
constexpr uint16_t kUser32Cs = 0x20;
constexpr uint16_t kUserDs = 0x28;
constexpr uint16_t kUser64Cs = 0x30;
constexpr uint16_t kRplMask = 3;
constexpr uint16_t kLdtBit = 4;

// The selector 32-bit user code runs with; CS always carries the privilege level.
constexpr uint16_t kFlatCode32 = kUser32Cs | 3;

constexpr uint64_t kRflagsAc = uint64_t{1} << 18;
constexpr uint64_t kAddressEnd = uint64_t{1} << 32;  // compatibility mode sees 4 GiB

enum class SegmentState : uint8_t {
  Usable,   // base known, limit 4 GiB
  Null,     // any access raises #GP
  Unknown,  // neither base nor limit can be told from the registers
};

bool is_null(uint16_t selector) noexcept { return (selector & ~kRplMask) == 0; }

SegmentState flat_segment(uint16_t selector) noexcept {
  if (is_null(selector)) return SegmentState::Null;
  switch (selector & ~kRplMask) {
    case kUser32Cs:
    case kUserDs:
    case kUser64Cs:
      return SegmentState::Usable;
    default:
      return SegmentState::Unknown;
  }
}

// FS and GS: the host knows the base, whatever GDT entry is loaded. An LDT entry may have any limit
// and type beside it, so its base alone decides nothing.
SegmentState based_segment(uint16_t selector) noexcept {
  if (is_null(selector)) return SegmentState::Null;
  return (selector & kLdtBit) != 0 ? SegmentState::Unknown : SegmentState::Usable;
}

SegmentState segment_base(Segment segment, const Registers& registers, uint32_t& base) noexcept {
  base = 0;
  switch (segment) {
    case Segment::Es:
      return flat_segment(registers.es);
    case Segment::Cs:
      return flat_segment(registers.cs);
    case Segment::Ss:
      return flat_segment(registers.ss);
    case Segment::Ds:
      return flat_segment(registers.ds);
    case Segment::Fs:
      base = static_cast<uint32_t>(registers.fs_base);
      return based_segment(registers.fs);
    case Segment::Gs:
      base = static_cast<uint32_t>(registers.gs_base);
      return based_segment(registers.gs);
  }
  return SegmentState::Unknown;
}

uint32_t register32(const Registers& registers, uint8_t number) noexcept {
  // A 64-bit process that runs 32-bit code may have anything in the upper halves.
  return number == kNoRegister ? 0 : static_cast<uint32_t>(registers.gpr[number & 15]);
}

// The offset within the segment.
uint32_t effective_offset(const BoundInstruction& instruction,
                          const Registers& registers) noexcept {
  const uint32_t offset = register32(registers, instruction.base) +
                          register32(registers, instruction.index) * instruction.scale +
                          static_cast<uint32_t>(instruction.displacement);
  return instruction.address_bits == 16 ? offset & 0xffff : offset;
}

int32_t sign_extend(uint32_t value, unsigned bits) noexcept {
  return bits == 16 ? static_cast<int16_t>(value) : static_cast<int32_t>(value);
}

// Four bytes are there, of which the first `bits` count.
int32_t bound_at(const uint8_t* bytes, unsigned bits) noexcept {
  uint32_t value = 0;
  __builtin_memcpy(&value, bytes, sizeof value);
  return sign_extend(value, bits);
}

// Where the two bounds are. The processor makes two accesses and computes the offset of each, so
// that with the pair across the end of the offsets (64 KiB or 4 GiB) the upper bound is at offset 0
// or so. One access is never split: it stays inside the segment or faults.
struct Pair {
  uint32_t linear[2] = {};
  bool inside_segment[2] = {};

  Pair(const BoundInstruction& instruction, uint32_t base, uint32_t offset) noexcept {
    const uint32_t width = instruction.operand_bits / 8;
    const uint32_t mask = instruction.address_bits == 16 ? 0xffff : 0xffffffff;
    for (unsigned i = 0; i < 2; ++i) {
      const uint32_t at = (offset + i * width) & mask;
      linear[i] = base + at;
      inside_segment[i] =
          at + uint64_t{width} <= kAddressEnd && linear[i] + uint64_t{width} <= kAddressEnd;
    }
  }
};

// Reads the bounds; returns how many of the two are readable, the lower one first.
unsigned read_bounds(const MemoryReader& memory, const Pair& pair, unsigned bits,
                     int32_t (&bounds)[2]) noexcept {
  const uint32_t width = bits / 8;
  if (!pair.inside_segment[0]) return 0;
  uint8_t bytes[8] = {};
  const bool together =
      pair.inside_segment[1] && pair.linear[1] == pair.linear[0] + uint64_t{width};
  if (together) {  // one access to another process' memory costs less than two
    const size_t readable = memory.read_some(memory.self, pair.linear[0], bytes, size_t{2} * width);
    bounds[0] = bound_at(bytes, bits);
    bounds[1] = bound_at(bytes + width, bits);
    return readable >= size_t{2} * width ? 2 : readable >= width ? 1 : 0;
  }
  if (!memory.read(pair.linear[0], bytes, width)) return 0;
  bounds[0] = bound_at(bytes, bits);
  if (!pair.inside_segment[1] || !memory.read(pair.linear[1], bytes, width)) return 1;
  bounds[1] = bound_at(bytes, bits);
  return 2;
}

}  // namespace

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
  const Pair pair(instruction, base, effective_offset(instruction, registers));
  const bool aligned = pair.linear[0] % (bits / 8) == 0;
  if ((registers.rflags & kRflagsAc) != 0 && !aligned) return BoundVerdict::NotBound;

  const int32_t index = sign_extend(register32(registers, instruction.index_register), bits);
  int32_t bounds[2] = {};
  const unsigned known = read_bounds(memory, pair, bits, bounds);
  if (known == 0) return BoundVerdict::Unreadable;
  const bool below = index < bounds[0];
  if (known == 1) {
    // Processors compare with the lower bound before they touch the upper one.
    if (!below) return BoundVerdict::Unreadable;
    bounds[1] = bits == 16 ? INT16_MAX : INT32_MAX;
  } else if (!below && index <= bounds[1]) {
    return BoundVerdict::InRange;
  }

  event = BoundEvent{};
  event.source = BoundSource::X86Bound;
  event.confidence = known == 2 ? Confidence::Certain : Confidence::Likely;
  event.instruction_length = instruction.length;
  event.index_register = instruction.index_register;
  event.index_width = instruction.operand_bits;
  event.ip = registers.rip;
  event.trap_ip = registers.rip;
  event.index = index;
  event.index_raw = bits == 16 ? uint16_t(index) : uint32_t(index);
  event.lower = bounds[0];
  event.upper = bounds[1];
  event.bounds_address = pair.linear[0];
  return BoundVerdict::Exceeded;
}

}  // namespace kebound::x86
