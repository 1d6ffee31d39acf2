// SPDX-License-Identifier: Apache-2.0
//
// The code of one function: its bytes, where its instructions begin and which of them are jumped
// to. Freestanding; the code is hostile.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/memory_reader.h"
#include "trap/x86/code_range.h"
#include "trap/x86/instruction.h"

namespace kebound::x86 {

inline constexpr size_t kMaxFunctionBytes = 128 * 1024;

// One bit for each byte of a function.
class CodeBits {
 public:
  void clear(size_t size) noexcept;  // the first `size` bits
  void set(size_t offset) noexcept { words_[offset / 64] |= uint64_t{1} << (offset % 64); }
  [[nodiscard]] bool test(size_t offset) const noexcept {
    return (words_[offset / 64] >> (offset % 64) & 1) != 0;
  }
  // Greatest marked offset below `offset`, not more than 15 below; `offset` if there is none.
  [[nodiscard]] size_t previous(size_t offset) const noexcept;

 private:
  uint64_t words_[kMaxFunctionBytes / 64];
};

class FunctionCode {
 public:
  enum class Load : uint8_t { Done, TooLarge, Unreadable };

  // Reads the function and sweeps over it from its first byte on. Unreadable also where a byte
  // in the middle begins no instruction: what lies behind it is not known then.
  [[nodiscard]] Load load(CodeRange range, CodeMode mode, const MemoryReader& memory) noexcept;

  [[nodiscard]] CodeRange range() const noexcept { return range_; }
  [[nodiscard]] CodeMode mode() const noexcept { return mode_; }
  // Of an address, and of a general register.
  [[nodiscard]] uint8_t native_bits() const noexcept { return mode_ == CodeMode::Bits64 ? 64 : 32; }
  [[nodiscard]] bool contains(uint64_t address) const noexcept { return range_.contains(address); }

  // False outside of the function and where no instruction begins.
  [[nodiscard]] bool decode(uint64_t address, Instruction& out) const noexcept;
  // As decode(), for an address that the sweep need not have met.
  [[nodiscard]] bool decode_anywhere(uint64_t address, Instruction& out) const noexcept;

  // Up to `size` bytes from `address` on; what lies behind the function is 0.
  void copy(uint64_t address, uint8_t* out, size_t size) const noexcept;

  [[nodiscard]] bool begins(uint64_t address) const noexcept {
    return contains(address) && begins_.test(offset(address));
  }
  // A direct jump, conditional or not, leads there.
  [[nodiscard]] bool is_target(uint64_t address) const noexcept {
    return contains(address) && targets_.test(offset(address));
  }
  // Reached in a way that is not seen: by a table of jumps, or as a landing pad of an exception.
  // What comes behind a jump, return or trap, and is no target.
  [[nodiscard]] bool is_unknown_entry(uint64_t address) const noexcept {
    return contains(address) && unknown_entries_.test(offset(address));
  }
  // The instruction before, or `address` itself at the function's beginning.
  [[nodiscard]] uint64_t previous(uint64_t address) const noexcept {
    return range_.begin + begins_.previous(offset(address));
  }
  [[nodiscard]] bool has_indirect_jumps() const noexcept { return indirect_jumps_; }

 private:
  [[nodiscard]] size_t offset(uint64_t address) const noexcept {
    return static_cast<size_t>(address - range_.begin);
  }
  bool sweep() noexcept;

  CodeRange range_;
  CodeMode mode_ = CodeMode::Bits64;
  bool indirect_jumps_ = false;
  CodeBits begins_;
  CodeBits targets_;
  CodeBits unknown_entries_;
  uint8_t bytes_[kMaxFunctionBytes];
};

}  // namespace kebound::x86
