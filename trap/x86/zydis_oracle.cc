// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/zydis_oracle.h"

#include <Zydis/Zydis.h>

#include <array>
#include <cstdlib>
#include <sstream>
#include <vector>

namespace kebound::x86::oracle {
namespace {

struct Decoded {
  ZydisDecodedInstruction instruction;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
};

const ZydisDecoder& decoder(CodeSize code_size) {
  static const auto make = [](ZydisMachineMode mode, ZydisStackWidth width) {
    ZydisDecoder decoder;
    if (ZYAN_FAILED(ZydisDecoderInit(&decoder, mode, width))) std::abort();
    return decoder;
  };
  static const ZydisDecoder bits16 = make(ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16);
  static const ZydisDecoder bits32 = make(ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
  return code_size == CodeSize::Bits16 ? bits16 : bits32;
}

bool decode_any(std::span<const uint8_t> code, CodeSize code_size, Decoded& out) {
  return !code.empty() &&
         ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder(code_size), code.data(), code.size(),
                                             &out.instruction, out.operands.data())) &&
         out.instruction.mnemonic == ZYDIS_MNEMONIC_BOUND;
}

uint8_t gpr_number(ZydisRegister reg) {
  return reg == ZYDIS_REGISTER_NONE ? kNoRegister : static_cast<uint8_t>(ZydisRegisterGetId(reg));
}

Segment segment_of(ZydisRegister reg) {
  switch (reg) {
    case ZYDIS_REGISTER_ES:
      return Segment::Es;
    case ZYDIS_REGISTER_CS:
      return Segment::Cs;
    case ZYDIS_REGISTER_SS:
      return Segment::Ss;
    case ZYDIS_REGISTER_FS:
      return Segment::Fs;
    case ZYDIS_REGISTER_GS:
      return Segment::Gs;
    default:
      return Segment::Ds;
  }
}

std::string describe(const std::optional<BoundInstruction>& instruction) {
  if (!instruction) return "no BOUND";
  std::ostringstream out;
  out << "length " << int{instruction->length} << " operand " << int{instruction->operand_bits}
      << " address " << int{instruction->address_bits} << " reg "
      << int{instruction->index_register} << " segment " << static_cast<int>(instruction->segment)
      << " base " << int{instruction->base} << " index " << int{instruction->index} << " scale "
      << int{instruction->scale} << " displacement " << instruction->displacement;
  return out.str();
}

std::string hex(std::span<const uint8_t> code) {
  std::ostringstream out;
  out << std::hex;
  for (const uint8_t byte : code) out << (byte < 16 ? "0" : "") << int{byte} << ' ';
  return out.str();
}

bool same(const BoundInstruction& a, const BoundInstruction& b) {
  const uint32_t mask = a.address_bits == 16 ? 0xffff : 0xffffffff;
  return a.length == b.length && a.operand_bits == b.operand_bits &&
         a.address_bits == b.address_bits && a.index_register == b.index_register &&
         a.segment == b.segment && a.base == b.base && a.index == b.index && a.scale == b.scale &&
         ((static_cast<uint32_t>(a.displacement) ^ static_cast<uint32_t>(b.displacement)) & mask) ==
             0;
}

// A signed little-endian number, read byte by byte: slow, and without arithmetic in common with the
// code under test. Nothing when a byte lies beyond 4 GiB or cannot be read.
std::optional<int64_t> read_signed(MemoryReader memory, uint64_t linear, unsigned bytes) {
  int64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) {
    uint8_t byte = 0;
    if (linear + i > 0xffffffff || !memory.read(linear + i, &byte, 1)) return std::nullopt;
    value += int64_t{byte} * (int64_t{1} << (8 * i));
  }
  const int64_t range = int64_t{1} << (8 * bytes);
  return value >= range / 2 ? value - range : value;
}

// The code as far as 32-bit code can fetch it.
std::vector<uint8_t> fetch(const Registers& registers, MemoryReader memory) {
  std::vector<uint8_t> code;
  uint8_t byte = 0;
  while (code.size() < 15 && registers.rip + code.size() <= 0xffffffff &&
         memory.read(registers.rip + code.size(), &byte, 1)) {
    code.push_back(byte);
  }
  return code;
}

struct Base {
  std::optional<BoundVerdict> obstacle;
  uint64_t value = 0;
};

Base base_of(Segment segment, const Registers& registers) {
  const uint16_t selectors[] = {registers.es, registers.cs, registers.ss,
                                registers.ds, registers.fs, registers.gs};
  const uint16_t selector = selectors[static_cast<int>(segment)];
  if (selector < 4) return {BoundVerdict::NotBound};
  if (selector & 4) return {BoundVerdict::Unsupported};
  if (segment == Segment::Fs) return {std::nullopt, registers.fs_base & 0xffffffff};
  if (segment == Segment::Gs) return {std::nullopt, registers.gs_base & 0xffffffff};
  if (selector / 8 < 4 || selector / 8 > 6) return {BoundVerdict::Unsupported};
  return {};
}

// effective_address() against Zydis and base_of().
std::string address_disagreement(const Registers& registers, MemoryReader memory) {
  const std::vector<uint8_t> code = fetch(registers, memory);
  const auto instruction = decode(code, CodeSize::Bits32);
  const auto start = offset(code, CodeSize::Bits32, registers);
  if (!instruction || !start) return {};
  const Base base = base_of(instruction->segment, registers);
  const auto expected = static_cast<uint32_t>(base.value + *start);
  uint32_t got = 0;
  const bool known = effective_address(*instruction, registers, got);
  if (known == !base.obstacle && (!known || got == expected)) return {};
  std::ostringstream out;
  out << "effective address of " << hex(code) << std::hex << "is 0x" << got << ", not 0x"
      << expected;
  return out.str();
}

}  // namespace

std::optional<BoundInstruction> decode(std::span<const uint8_t> code, CodeSize code_size) {
  Decoded decoded;
  if (!decode_any(code, code_size, decoded)) return std::nullopt;
  const ZydisDecodedOperandMem& memory = decoded.operands[1].mem;
  BoundInstruction out;
  out.length = decoded.instruction.length;
  out.operand_bits = static_cast<uint8_t>(decoded.operands[0].size);
  out.address_bits = decoded.instruction.address_width;
  out.index_register = gpr_number(decoded.operands[0].reg.value);
  out.segment = segment_of(memory.segment);
  out.base = gpr_number(memory.base);
  out.index = gpr_number(memory.index);
  out.scale = memory.index == ZYDIS_REGISTER_NONE || memory.scale == 0 ? uint8_t{1} : memory.scale;
  out.displacement = static_cast<int32_t>(memory.disp.has_displacement ? memory.disp.value : 0);
  return out;
}

std::optional<uint32_t> offset(std::span<const uint8_t> code, CodeSize code_size,
                               const Registers& registers) {
  Decoded decoded;
  if (!decode_any(code, code_size, decoded)) return std::nullopt;
  ZydisRegisterContext context = {};
  for (unsigned i = 0; i < 8; ++i) {
    context.values[ZYDIS_REGISTER_EAX + i] = registers.gpr[i] & 0xffffffff;
    context.values[ZYDIS_REGISTER_AX + i] = registers.gpr[i] & 0xffff;
  }
  ZyanU64 address = 0;
  if (ZYAN_FAILED(ZydisCalcAbsoluteAddressEx(&decoded.instruction, &decoded.operands[1], 0,
                                             &context, &address))) {
    return std::nullopt;
  }
  const uint64_t mask = decoded.instruction.address_width == 16 ? 0xffff : 0xffffffff;
  return static_cast<uint32_t>(address & mask);
}

BoundVerdict verdict(const Registers& registers, MemoryReader memory, BoundEvent& event) {
  if (registers.cs & 4) return BoundVerdict::Unsupported;
  if (registers.cs != 0x23) return BoundVerdict::NotBound;
  const std::vector<uint8_t> code = fetch(registers, memory);
  const auto instruction = decode(code, CodeSize::Bits32);
  const auto start = offset(code, CodeSize::Bits32, registers);
  if (!instruction || !start) return BoundVerdict::NotBound;

  const Base base = base_of(instruction->segment, registers);
  if (base.obstacle) return *base.obstacle;
  const unsigned width = instruction->operand_bits / 8u;
  const uint64_t offsets = instruction->address_bits == 16 ? 0x10000 : 0x100000000;
  const uint64_t at[2] = {*start, (*start + width) % offsets};
  if ((registers.rflags >> 18 & 1) && (base.value + at[0]) % width != 0) {
    return BoundVerdict::NotBound;
  }
  std::optional<int64_t> bounds[2];
  for (int i = 0; i < 2; ++i) {
    // All of one access lies within the segment, whose end is 4 GiB.
    if (at[i] + width <= 0x100000000) {
      bounds[i] = read_signed(memory, (base.value + at[i]) % 0x100000000, width);
    }
  }
  const int64_t range = int64_t{1} << (8 * width);
  int64_t index = static_cast<int64_t>(registers.gpr[instruction->index_register] %
                                       static_cast<uint64_t>(range));
  if (index >= range / 2) index -= range;
  if (!bounds[0]) return BoundVerdict::Unreadable;
  const bool certain = bounds[1].has_value();
  if (!certain && index >= *bounds[0]) return BoundVerdict::Unreadable;
  if (certain && index >= *bounds[0] && index <= *bounds[1]) return BoundVerdict::InRange;

  event = BoundEvent{};
  event.confidence = certain ? Confidence::Certain : Confidence::Likely;
  event.instruction_length = instruction->length;
  event.index_register = instruction->index_register;
  event.index_width = instruction->operand_bits;
  event.ip = registers.rip;
  event.trap_ip = registers.rip;
  event.index = index;
  event.index_raw = static_cast<uint64_t>(index < 0 ? index + range : index);
  event.lower = *bounds[0];
  event.upper = bounds[1].value_or(range / 2 - 1);
  event.bounds_address = (base.value + at[0]) % 0x100000000;
  return BoundVerdict::Exceeded;
}

std::string disagreement(std::span<const uint8_t> code, CodeSize code_size) {
  const auto expected = decode(code, code_size);
  BoundInstruction instruction;
  std::optional<BoundInstruction> got;
  if (decode_bound(code.data(), code.size(), code_size, instruction)) got = instruction;
  if (got.has_value() == expected.has_value() && (!got || same(*got, *expected))) return {};
  return hex(code) + (code_size == CodeSize::Bits16 ? "(16-bit)" : "(32-bit)") +
         "\n  kebound: " + describe(got) + "\n  Zydis:   " + describe(expected);
}

std::string disagreement(const Registers& registers, MemoryReader memory) {
  BoundEvent expected_event;
  BoundEvent event;
  const BoundVerdict expected = verdict(registers, memory, expected_event);
  const BoundVerdict got = evaluate_bound(registers, memory, event);
  if (got == expected && event == expected_event)
    return address_disagreement(registers, memory);
  std::ostringstream out;
  const auto describe_event = [&out](const BoundEvent& e) {
    out << ", index " << e.index << " lower " << e.lower << " upper " << e.upper << " bounds at 0x"
        << std::hex << e.bounds_address << std::dec;
  };
  out << "ip 0x" << std::hex << registers.rip << std::dec << "\n  kebound: verdict "
      << static_cast<int>(got);
  describe_event(event);
  out << "\n  oracle:  verdict " << static_cast<int>(expected);
  describe_event(expected_event);
  return out.str();
}

}  // namespace kebound::x86::oracle
