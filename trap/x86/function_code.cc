// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/function_code.h"

namespace kebound::x86 {
namespace {

// Also lea 0(%esi),%esi, which assemblers put between functions of 32-bit code.
bool is_padding(const Instruction& in) noexcept {
  const Operand& memory = in.operands[1];
  return in.op == Op::Nop || in.op == Op::Int3 ||
         (in.op == Op::Lea && memory.base == in.operands[0].reg && memory.index == kNoRegister &&
          memory.displacement == 0);
}

}  // namespace


void CodeBits::clear(size_t size) noexcept {
  for (size_t i = 0; i < (size + 63) / 64; ++i) words_[i] = 0;
}

size_t CodeBits::previous(size_t offset) const noexcept {
  for (size_t back = 1; back <= kMaxInstructionLength && back <= offset; ++back) {
    if (test(offset - back)) return offset - back;
  }
  return offset;
}

FunctionCode::Load FunctionCode::load(CodeRange range, CodeMode mode,
                                      const MemoryReader& memory) noexcept {
  range_ = {};
  if (range.end <= range.begin) return Load::Unreadable;
  if (range.size() > kMaxFunctionBytes) return Load::TooLarge;
  if (!memory.read(range.begin, bytes_, static_cast<size_t>(range.size()))) return Load::Unreadable;
  range_ = range;
  mode_ = mode;
  if (sweep()) return Load::Done;
  range_ = {};
  return Load::Unreadable;
}

bool FunctionCode::decode_anywhere(uint64_t address, Instruction& out) const noexcept {
  if (!contains(address)) return false;
  return decode_instruction(bytes_ + offset(address), static_cast<size_t>(range_.end - address),
                            address, mode_, out);
}

bool FunctionCode::decode(uint64_t address, Instruction& out) const noexcept {
  return begins(address) && decode_anywhere(address, out);
}

void FunctionCode::copy(uint64_t address, uint8_t* out, size_t size) const noexcept {
  for (size_t i = 0; i < size; ++i) {
    out[i] = contains(address + i) ? bytes_[offset(address + i)] : 0;
  }
}

bool FunctionCode::sweep() noexcept {
  const size_t size = offset(range_.end);
  begins_.clear(size);
  targets_.clear(size);
  unknown_entries_.clear(size);
  indirect_jumps_ = false;
  Instruction instruction;
  for (uint64_t at = range_.begin; at < range_.end; at += instruction.length) {
    if (!decode_anywhere(at, instruction)) return false;
    begins_.set(offset(at));
    switch (instruction.op) {
      case Op::Jcc:
      case Op::Jmp:
      case Op::Loop:
      case Op::Call:  // of the function itself, and the call that only reads the ip (-m32 -fPIC)
        if (contains(instruction.target)) targets_.set(offset(instruction.target));
        break;
      case Op::JmpIndirect:
        indirect_jumps_ = true;
        break;
      default:
        break;
    }
  }
  // Padding before a label is not reached, and what it "falls" into is not entered by it.
  bool reached = true;
  for (uint64_t at = range_.begin; at < range_.end; at += instruction.length) {
    if (!decode_anywhere(at, instruction)) return false;
    const bool padding = is_padding(instruction);
    if (is_target(at)) {
      reached = true;
    } else if (!reached && !padding) {
      unknown_entries_.set(offset(at));
      reached = true;
    }
    if (!instruction.falls_through) reached = false;
  }
  return true;
}

}  // namespace kebound::x86
