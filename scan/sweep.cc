// SPDX-License-Identifier: Apache-2.0
#include "scan/sweep.h"

#include <algorithm>

#include "trap/x86/bound.h"
#include "trap/x86/compiler_trap.h"

namespace kebound::scan {
namespace {

using x86::Instruction;
using x86::Op;

// Compilers fetch a jump table's entry right before they jump.
constexpr size_t kTableLoadDistance = 6;

// Code between known functions shorter than this is padding, or not worth a name.
constexpr uint64_t kLeastGap = 16;

bool is_mpx_check(std::span<const uint8_t> code) {
  bool f2 = false;
  bool f3 = false;
  size_t at = 0;
  for (; at < code.size(); ++at) {
    if (code[at] == 0xf2) {
      f2 = true;
    } else if (code[at] == 0xf3) {
      f3 = true;
    } else if ((code[at] & 0xf0) != 0x40 && code[at] != 0x67) {
      break;
    }
  }
  if (at + 1 >= code.size() || code[at] != 0x0f) return false;
  // bndcl: F3 0F 1A, bndcu: F2 0F 1A, bndcn: F2 0F 1B
  return (code[at + 1] == 0x1a && (f2 || f3)) || (code[at + 1] == 0x1b && f2);
}

class Sweeper {
 public:
  explicit Sweeper(const Image& image) : image_(image) {}

  Sweep run() {
    for (const Region& region : image_.regions()) {
      if (region.stubs) continue;
      out_.code_bytes += region.range.size();
      uint64_t at = region.range.begin;
      const auto& functions = image_.functions();
      auto next = std::lower_bound(
          functions.begin(), functions.end(), at,
          [](const Function& function, uint64_t value) { return function.range.begin < value; });
      for (; next != functions.end() && next->range.begin < region.range.end; ++next) {
        gap({at, next->range.begin});
        function(next->range);
        at = next->range.end;
      }
      gap({at, region.range.end});
    }
    return std::move(out_);
  }

 private:
  // What lies between functions: alignment, or functions nobody has described.
  void gap(CodeRange range) {
    if (range.size() < kLeastGap) return;
    function(range);
  }

  void function(CodeRange range) {
    function_ = {range, 0};
    recent_loads_.clear();
    decoded_ = 0;
    const std::span<const uint8_t> bytes = image_.bytes_at(range.begin);
    const size_t size = std::min<uint64_t>(bytes.size(), range.size());
    for (size_t at = 0; at < size;) {
      const std::span<const uint8_t> code = bytes.subspan(at, size - at);
      Instruction instruction;
      if (!x86::decode_instruction(code.data(), code.size(), range.begin + at, image_.mode(),
                                   instruction)) {
        ++out_.unknown_bytes;
        ++at;
        continue;
      }
      ++decoded_;
      look_at(instruction, range.begin + at, code.first(instruction.length));
      at += instruction.length;
    }
    out_.functions.push_back(function_);
  }

  void look_at(const Instruction& instruction, uint64_t address, std::span<const uint8_t> code) {
    switch (instruction.op) {
      case Op::Ud1:
      case Op::Ud2:
        trap(address, code);
        return;
      case Op::Call:
        call(address, image_.callee(instruction.target));
        return;
      case Op::CallIndirect:
        call(address, image_.callee_through(instruction.operands[0]));
        return;
      case Op::Jmp:
      case Op::Jcc:
        if (!function_.range.contains(instruction.target)) {
          out_.jumps.push_back({function_.range, instruction.target});
        }
        return;
      case Op::JmpIndirect:
        forgive_table_load(instruction);
        return;
      case Op::Lea:
      case Op::Nop:
        return;
      case Op::Other:
        if (hardware(address, code)) return;
        break;
      default:
        break;
    }
    access(instruction);
  }

  void trap(uint64_t address, std::span<const uint8_t> code) {
    x86::CompilerTrap known;
    Trap trap{address, false, 0};
    if (x86::decode_compiler_trap(code.data(), code.size(), known) &&
        known.kind == x86::CompilerTrapKind::UbsanUd1) {
      trap.numbered = true;
      trap.number = known.check;
    }
    out_.traps.push_back(trap);
  }

  void call(uint64_t address, std::string_view callee) {
    if (callee.empty()) return;
    if (const auto checking = checking_function(callee)) {
      out_.calls.push_back({address, *checking, callee});
    }
  }

  bool hardware(uint64_t address, std::span<const uint8_t> code) {
    x86::BoundInstruction bound;
    if (image_.mode() == CodeMode::Bits32 &&
        x86::decode_bound(code.data(), code.size(), x86::CodeSize::Bits32, bound)) {
      out_.hardware.push_back({address, BoundSource::X86Bound});
      return true;
    }
    if (!is_mpx_check(code)) return false;
    out_.hardware.push_back({address, BoundSource::X86Mpx});
    return true;
  }

  void access(const Instruction& instruction) {
    if (instruction.memory.kind != x86::OperandKind::Memory ||
        instruction.memory.index == x86::kNoRegister ||
        (!instruction.reads_memory && !instruction.writes_memory)) {
      return;
    }
    ++function_.accesses;
    const bool loads_table =
        (instruction.op == Op::Movsx || instruction.op == Op::Mov || instruction.op == Op::Add) &&
        instruction.memory.scale >= 4;
    if (loads_table) recent_loads_.push_back(decoded_);
  }

  // A switch's table is indexed by the compiler, within limits that it has checked.
  void forgive_table_load(const Instruction& jump) {
    if (jump.operands[0].kind == x86::OperandKind::Memory) return;  // never counted
    if (recent_loads_.empty() || decoded_ - recent_loads_.back() > kTableLoadDistance) return;
    recent_loads_.pop_back();
    --function_.accesses;
  }

  const Image& image_;
  Sweep out_;
  SweptFunction function_;
  std::vector<size_t> recent_loads_;
  size_t decoded_ = 0;
};

}  // namespace

Sweep sweep(const Image& image) { return Sweeper(image).run(); }

}  // namespace kebound::scan
