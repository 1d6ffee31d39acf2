// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/instruction_oracle.h"

#include <cstdlib>
#include <optional>
#include <sstream>

#include "trap/x86/instruction_oracle_names.h"

namespace kebound::x86::oracle {
namespace {

std::optional<Decoded> decode(std::span<const uint8_t> code, CodeMode mode) {
  static const auto make = [](ZydisMachineMode machine, ZydisStackWidth width) {
    ZydisDecoder decoder;
    if (ZYAN_FAILED(ZydisDecoderInit(&decoder, machine, width))) std::abort();
    return decoder;
  };
  static const ZydisDecoder bits32 = make(ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
  static const ZydisDecoder bits64 = make(ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  Decoded out;
  const bool ok = !code.empty() && ZYAN_SUCCESS(ZydisDecoderDecodeFull(
                                       mode == CodeMode::Bits64 ? &bits64 : &bits32, code.data(),
                                       code.size(), &out.instruction, out.operands.data()));
  return ok ? std::optional(out) : std::nullopt;
}

uint8_t general_number(ZydisRegister reg) {
  if (!is_general(reg)) return kNoRegister;
  const ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
  return static_cast<uint8_t>(ZydisRegisterGetId(full));
}

bool is_high_byte(ZydisRegister reg) {
  return reg == ZYDIS_REGISTER_AH || reg == ZYDIS_REGISTER_BH || reg == ZYDIS_REGISTER_CH ||
         reg == ZYDIS_REGISTER_DH;
}

// Where Zydis 4.0 is known to be wrong: with a 32-bit address size and REX.B it takes the base that
// means "no base" for r13d. (A processor was asked.) And it knows instructions of a processor that
// had their opcodes to itself, Knights Corner.
bool is_mistaken(const Decoded& z) {
  const auto& raw = z.instruction.raw;
  return z.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
         z.instruction.mnemonic == ZYDIS_MNEMONIC_JKZD ||
         z.instruction.mnemonic == ZYDIS_MNEMONIC_JKNZD ||
         z.instruction.mnemonic == ZYDIS_MNEMONIC_KEXTRACT ||
         (z.instruction.machine_mode == ZYDIS_MACHINE_MODE_LONG_64 &&
          z.instruction.address_width == 32 && raw.rex.B == 1 && raw.modrm.mod == 0 &&
          raw.modrm.rm == 4 && raw.sib.base == 5 &&
          (z.instruction.attributes & ZYDIS_ATTRIB_HAS_SIB) != 0);
}

struct Effects {
  uint32_t reads = 0;
  uint32_t writes = 0;
  bool reads_flags = false;
  bool writes_flags = false;
  bool reads_memory = false;
  bool writes_memory = false;

  bool operator==(const Effects&) const = default;
};

constexpr ZyanU32 kStatusFlags = ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_PF | ZYDIS_CPUFLAG_AF |
                                 ZYDIS_CPUFLAG_ZF | ZYDIS_CPUFLAG_SF | ZYDIS_CPUFLAG_OF;

Effects effects_of(const Decoded& z) {
  Effects out;
  for (const ZydisDecodedOperand& operand : z.all()) {
    const bool reads = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
    const bool writes = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      const uint32_t bit = register_bit(general_number(operand.reg.value));
      if (reads) out.reads |= bit;
      if (writes) out.writes |= bit;
    } else if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
      out.reads |= register_bit(general_number(operand.mem.base)) |
                   register_bit(general_number(operand.mem.index));
      if (operand.mem.type != ZYDIS_MEMOP_TYPE_AGEN) {
        out.reads_memory |= reads;
        out.writes_memory |= writes;
      }
    }
  }
  if (const ZydisAccessedFlags* flags = z.instruction.cpu_flags) {
    out.reads_flags = (flags->tested & kStatusFlags) != 0;
    out.writes_flags =
        ((flags->modified | flags->set_0 | flags->set_1 | flags->undefined) & kStatusFlags) != 0;
  }
  return out;
}

Effects effects_of(const Instruction& instruction) {
  return {instruction.reads,        instruction.writes,       instruction.reads_flags,
          instruction.writes_flags, instruction.reads_memory, instruction.writes_memory};
}

bool covers(const Effects& ours, const Effects& theirs) {
  return (theirs.reads & ~ours.reads) == 0 && (theirs.writes & ~ours.writes) == 0 &&
         ours.reads_flags >= theirs.reads_flags && ours.writes_flags >= theirs.writes_flags &&
         ours.reads_memory >= theirs.reads_memory && ours.writes_memory >= theirs.writes_memory;
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

// What Zydis has of a memory operand; `scaled` says that the displacement has another unit.
std::string memory_difference(const Operand& ours, const Decoded& z,
                              const ZydisDecodedOperand& theirs, uint64_t address, bool scaled) {
  std::ostringstream out;
  const ZydisDecodedOperandMem& memory = theirs.mem;
  const auto differ = [&out](const char* what, auto a, auto b) {
    if (a != b) out << what << ' ' << int64_t(a) << " is " << int64_t(b) << "; ";
  };
  const bool rip = memory.base == ZYDIS_REGISTER_RIP || memory.base == ZYDIS_REGISTER_EIP;
  int64_t displacement = memory.disp.has_displacement ? memory.disp.value : 0;
  if (rip) {
    uint64_t target = address + z.instruction.length + static_cast<uint64_t>(displacement);
    if (memory.base == ZYDIS_REGISTER_EIP) target &= 0xffffffff;
    displacement = static_cast<int64_t>(target);
  }
  differ("rip_relative", ours.rip_relative, rip);
  differ("base", ours.base, rip ? kNoRegister : general_number(memory.base));
  differ("index", ours.index, general_number(memory.index));
  differ("scale", ours.scale,
         memory.index == ZYDIS_REGISTER_NONE || memory.scale == 0 ? 1 : memory.scale);
  // For MPX the address size is that of the mode.
  const bool mpx = z.instruction.meta.isa_set == ZYDIS_ISA_SET_MPX;
  if (!scaled && !(mpx && rip)) differ("displacement", ours.displacement, displacement);
  // Zydis lets LEA have no segment.
  if (memory.type != ZYDIS_MEMOP_TYPE_AGEN) {
    differ("segment", static_cast<int>(ours.segment), static_cast<int>(segment_of(memory.segment)));
  }
  if (!mpx) differ("address_bits", ours.address_bits, z.instruction.address_width);
  return out.str();
}

// MOVSXD to 16 bits has a source of 16 bits in Intel's manual, of 32 in AMD's: the same value.
bool same_width(const Operand& ours, const Decoded& z, const ZydisDecodedOperand& theirs) {
  return ours.bits == theirs.size ||
         (z.instruction.mnemonic == ZYDIS_MNEMONIC_MOVSXD && z.operands[0].size == 16);
}

std::string operand_difference(const Operand& ours, const Decoded& z,
                               const ZydisDecodedOperand& theirs, uint64_t address) {
  std::ostringstream out;
  switch (theirs.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
      if (ours.kind != OperandKind::Register) return "not a register";
      if (ours.reg != general_number(theirs.reg.value)) out << "reg " << int{ours.reg} << "; ";
      if (ours.high_byte != is_high_byte(theirs.reg.value)) out << "high_byte; ";
      if (!same_width(ours, z, theirs)) {
        out << "bits " << int{ours.bits} << " of " << theirs.size;
      }
      return out.str();
    case ZYDIS_OPERAND_TYPE_MEMORY:
      if (ours.kind != OperandKind::Memory) return "not memory";
      // Zydis gives AGEN operands the address' width, as we do.
      if (!same_width(ours, z, theirs)) {
        out << "bits " << int{ours.bits} << " of " << theirs.size;
      }
      return out.str() + memory_difference(ours, z, theirs, address, false);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      if (ours.kind != OperandKind::Immediate) return "not an immediate";
      // Signedness is a matter of the operation: only the bits of the operand are compared.
      if (const uint64_t mask = ours.bits >= 64 ? ~0ull : (1ull << ours.bits) - 1;
          ((static_cast<uint64_t>(ours.immediate) ^ theirs.imm.value.u) & mask) != 0) {
        out << "immediate " << ours.immediate << " is " << theirs.imm.value.s;
      }
      return out.str();
    default:
      return "an operand of an unknown kind";
  }
}

// cbw and cwd have their operands hidden.
std::string operands_difference(const Instruction& ours, const Decoded& z, uint64_t address) {
  if (ours.op == Op::Nop || ours.op == Op::Endbr) return {};
  std::span<const ZydisDecodedOperand> theirs = z.visible();
  if ((ours.op == Op::Movsx || ours.op == Op::Cqo) && theirs.empty()) theirs = z.all().first(2);
  if (ours.op == Op::Jcc || ours.op == Op::Loop || ours.op == Op::Jmp || ours.op == Op::Call) {
    ZyanU64 target = 0;
    if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(&z.instruction, &z.operands[0], address, &target))) {
      return "no target";
    }
    if (z.instruction.machine_mode == ZYDIS_MACHINE_MODE_LONG_COMPAT_32) target &= 0xffffffff;
    return target == ours.target ? "" : "target";
  }
  if (ours.op == Op::Int3) return {};
  std::string out;
  if (ours.operand_count != theirs.size()) return "operand count";
  for (size_t i = 0; i < theirs.size(); ++i) {
    const std::string difference = operand_difference(ours.operands[i], z, theirs[i], address);
    if (!difference.empty()) out += "operand " + std::to_string(i) + ": " + difference;
  }
  return out;
}

bool ends_block(const Decoded& z) {
  switch (z.instruction.meta.category) {
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_RET:
      return z.instruction.mnemonic != ZYDIS_MNEMONIC_XEND;  // goes nowhere else
    default:
      return z.instruction.mnemonic == ZYDIS_MNEMONIC_UD0 ||
             z.instruction.mnemonic == ZYDIS_MNEMONIC_UD1 ||
             z.instruction.mnemonic == ZYDIS_MNEMONIC_UD2;
  }
}

std::string difference(const Instruction& ours, const Decoded& z, uint64_t address) {
  if (ours.length != z.instruction.length) return "length";
  const Name name = name_of(z);
  // The hints are several opcodes, of which one is named.
  const bool other_nop = name.op == Op::Nop && ours.op == Op::Other;
  if (ours.op != name.op && !other_nop) return "op " + std::to_string(static_cast<int>(ours.op));
  if (ours.op != Op::Other) {
    if (ours.condition != name.condition) return "condition";
    const std::string operands = operands_difference(ours, z, address);
    if (!operands.empty()) return operands;
  }
  Effects expected = effects_of(z);
  const Effects got = effects_of(ours);
  if (ours.op == Op::Cmov) expected.reads |= register_bit(ours.operands[0].reg);
  // Hints have operands that nobody reads, and of an interrupt only the instruction is described.
  if (ours.op == Op::Nop || ours.op == Op::Int3) expected = {got.reads};
  const bool bits64 = z.instruction.machine_mode == ZYDIS_MACHINE_MODE_LONG_64;
  if (!bits64) {  // SYSCALL and SYSRET are said to use r11
    expected.reads &= 0xff;
    expected.writes &= 0xff;
  }
  if (ours.op != Op::Other ? got != expected : !covers(got, expected)) {
    std::ostringstream out;
    out << std::hex << "effects: reads " << got.reads << " of " << expected.reads << ", writes "
        << got.writes << " of " << expected.writes << ", flags " << got.reads_flags
        << got.writes_flags << " of " << expected.reads_flags << expected.writes_flags
        << ", memory " << got.reads_memory << got.writes_memory << " of " << expected.reads_memory
        << expected.writes_memory;
    return out.str();
  }
  if (ours.ends_block != ends_block(z)) return "ends_block";
  for (const ZydisDecodedOperand& operand : z.visible()) {
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    const bool vector = operand.mem.type == ZYDIS_MEMOP_TYPE_VSIB;
    if ((ours.memory.kind == OperandKind::Memory) == vector) return "memory";
    if (vector) continue;
    if (operand.encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM) continue;
    const bool scaled = z.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
    const std::string memory = memory_difference(ours.memory, z, operand, address, scaled);
    if (!memory.empty()) return "memory: " + memory;
  }
  return {};
}

std::string show(std::span<const uint8_t> code, CodeMode mode, const std::optional<Decoded>& z) {
  std::ostringstream out;
  out << std::hex;
  for (const uint8_t byte : code) out << (byte < 16 ? "0" : "") << int{byte} << ' ';
  out << (mode == CodeMode::Bits32 ? "(32-bit)" : "(64-bit)");
  if (z)
    out << std::dec << ' ' << ZydisMnemonicGetString(z->instruction.mnemonic) << ", "
        << int{z->instruction.length} << " bytes";
  return out.str();
}

}  // namespace

std::string disagreement(std::span<const uint8_t> code, uint64_t address, CodeMode mode) {
  const std::optional<Decoded> z = decode(code, mode);
  Instruction ours;
  const bool known = decode_instruction(code.data(), code.size(), address, mode, ours);
  if (!z) {
    if (known && ours.op != Op::Other) {
      return show(code, mode, z) + ": no instruction, but op " +
             std::to_string(static_cast<int>(ours.op));
    }
    return {};
  }
  if (is_mistaken(*z)) return {};
  if (!known) return show(code, mode, z) + ": not decoded";
  const std::string what = difference(ours, *z, address);
  return what.empty() ? what : show(code, mode, z) + ": " + what;
}

Surplus surplus(std::span<const uint8_t> code, uint64_t address, CodeMode mode) {
  const std::optional<Decoded> z = decode(code, mode);
  Instruction ours;
  if (!z || !decode_instruction(code.data(), code.size(), address, mode, ours)) return {};
  const Effects expected = effects_of(*z);
  Surplus out;
  out.length = ours.length;
  out.named = ours.op != Op::Other;
  out.registers = (ours.writes & ~expected.writes) != 0;
  out.flags = ours.writes_flags > expected.writes_flags;
  out.memory = ours.writes_memory > expected.writes_memory;
  return out;
}

}  // namespace kebound::x86::oracle
