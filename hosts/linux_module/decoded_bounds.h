// SPDX-License-Identifier: Apache-2.0
//
// BOUNDs that were decoded before. What is remembered depends on the instruction's bytes alone, which are
// read and compared each time: nothing has to be forgotten when code or address spaces change.
#pragma once

#include "trap/x86/bound.h"

namespace kebound::linux_module {

// One for each processor, used in its traps. Valid when zeroed: of fifteen zeros it says that they are
// no BOUND.
class DecodedBounds {
 public:
  // `code`: sixteen bytes, of which `size`, at most fifteen, were read and the rest is 0.
  // Null: no BOUND; else to here, or to `room`.
  [[nodiscard]] const x86::BoundInstruction* decode(const uint8_t* code, size_t size, uint64_t ip,
                                                    x86::BoundInstruction& room) noexcept {
    Entry& entry = entries_[(ip ^ ip >> 6) % kEntries];
    const auto* const words = reinterpret_cast<const uint64_t*>(code);
    if (entry.code[0] == words[0] && entry.code[1] == words[1] &&
        size == x86::kMaxInstructionLength) {
      return entry.bound.length != 0 ? &entry.bound : nullptr;
    }
    return decode_new(entry, words, size, room);
  }

 private:
  static constexpr uint64_t kEntries = 64;
  struct Entry {
    uint64_t code[2];
    x86::BoundInstruction bound;
  };

  [[gnu::noinline]] static const x86::BoundInstruction* decode_new(
      Entry& entry, const uint64_t* words, size_t size, x86::BoundInstruction& room) noexcept {
    const auto* const code = reinterpret_cast<const uint8_t*>(words);
    if (!x86::decode_bound(code, size, x86::CodeSize::Bits32, room)) return nullptr;
    if (size == x86::kMaxInstructionLength) entry = {{words[0], words[1]}, room};
    return &room;
  }

  Entry entries_[kEntries];
};

}  // namespace kebound::linux_module
