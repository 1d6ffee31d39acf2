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

// One of the two bounds; false where any of its bytes cannot be read.
bool read_bound(const MemoryReader& memory, uint32_t linear, unsigned bits, int32_t& out) noexcept {
  uint8_t bytes[4] = {};
  const unsigned size = bits / 8;
  if (linear + uint64_t{size} > kAddressEnd || !memory.read(linear, bytes, size)) return false;
  uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) value |= uint32_t{bytes[i]} << (8 * i);
  out = sign_extend(value, bits);
  return true;
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
  if (readable > wanted || !decode_bound(code, readable, CodeSize::Bits32, instruction)) {
    return BoundVerdict::NotBound;
  }

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
  const uint32_t linear = base + effective_offset(instruction, registers);
  const uint32_t width = bits / 8;
  if ((registers.rflags & kRflagsAc) != 0 && linear % width != 0) return BoundVerdict::NotBound;
  int32_t lower = 0;
  int32_t upper = 0;
  if (linear + uint64_t{2 * width} > kAddressEnd || !read_bound(memory, linear, bits, lower) ||
      !read_bound(memory, linear + width, bits, upper)) {
    return BoundVerdict::Unreadable;
  }
  const int32_t index = sign_extend(register32(registers, instruction.index_register), bits);
  if (index >= lower && index <= upper) return BoundVerdict::InRange;

  event = BoundEvent{};
  event.source = BoundSource::X86Bound;
  event.confidence = Confidence::Certain;
  event.instruction_length = instruction.length;
  event.index_register = instruction.index_register;
  event.index_width = instruction.operand_bits;
  event.ip = registers.rip;
  event.index = index;
  event.lower = lower;
  event.upper = upper;
  event.bounds_address = linear;
  return BoundVerdict::Exceeded;
}

}  // namespace kebound::x86
