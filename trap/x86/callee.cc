// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/callee.h"

#include "trap/x86/registers.h"

namespace kebound::x86 {
namespace {

constexpr uint64_t kMaxBytes = 256;

// A bit for each byte.
struct Marks {
  uint64_t words[kMaxBytes / 64] = {};
  void set(uint64_t offset) noexcept { words[offset / 64] |= uint64_t{1} << (offset % 64); }
};

// Decodes from the first byte on, to the return that no jump leads beyond.
class Sweep {
 public:
  Sweep(uint64_t target, CodeMode mode, const MemoryReader& memory) noexcept
      : target_(target), mode_(mode), memory_(memory) {}

  [[nodiscard]] bool run(uint32_t& written) noexcept {
    written = 0;
    bool ends = false;
    for (uint64_t offset = 0; !ends;) {
      uint8_t bytes[kMaxInstructionLength];
      const uint64_t at = target_ + offset;
      const size_t readable = memory_.read_some(memory_.self, at, bytes, sizeof bytes);
      Instruction in;
      if (!decode_instruction(bytes, readable, at, mode_, in)) return false;
      if (offset + in.length > kMaxBytes) return false;
      begins_.set(offset);
      written |= in.writes;
      offset += in.length;
      if (!note_jump(in)) return false;
      ends = in.op == Op::Ret && offset > furthest_;
    }
    for (unsigned i = 0; i < kMaxBytes / 64; ++i) {
      if ((targets_.words[i] & ~begins_.words[i]) != 0) return false;
    }
    return true;
  }

 private:
  // False for what leaves the function other than by returning.
  bool note_jump(const Instruction& in) noexcept {
    switch (in.op) {
      case Op::Jcc:
      case Op::Jmp:
      case Op::Loop: {
        const uint64_t to = in.target - target_;
        if (to >= kMaxBytes) return false;
        targets_.set(to);
        if (to > furthest_) furthest_ = to;
        return true;
      }
      case Op::Call:
        return in.calls_next;
      case Op::Ret:
      case Op::Ud1:
      case Op::Ud2:
        return true;
      default:
        return !in.ends_block;
    }
  }

  const uint64_t target_;
  const CodeMode mode_;
  const MemoryReader& memory_;
  uint64_t furthest_ = 0;
  Marks begins_;
  Marks targets_;
};

}  // namespace

uint32_t registers_of_call(uint64_t target, CodeMode mode, const MemoryReader& memory) noexcept {
  uint32_t written = 0;
  if (!Sweep(target, mode, memory).run(written)) return kCallClobbers;
  return (written | register_bit(Rax) | register_bit(Rsp)) & kCallClobbers;
}

}  // namespace kebound::x86
