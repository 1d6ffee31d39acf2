// SPDX-License-Identifier: Apache-2.0
//
// Reading the numbers of exception tables (DW_EH_PE, LEB128) from hostile memory. Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/memory_reader.h"

namespace kebound::elf {

// DW_EH_PE: the low half is the format, the high one says what the number is relative to.
inline constexpr uint8_t kEncodingOmit = 0xff;
inline constexpr uint8_t kFormatMask = 0x0f;
inline constexpr uint8_t kFormatAddress = 0x00;
inline constexpr uint8_t kFormatUleb128 = 0x01;
inline constexpr uint8_t kFormatUdata2 = 0x02;
inline constexpr uint8_t kFormatUdata4 = 0x03;
inline constexpr uint8_t kFormatUdata8 = 0x04;
inline constexpr uint8_t kFormatSleb128 = 0x09;
inline constexpr uint8_t kFormatSdata2 = 0x0a;
inline constexpr uint8_t kFormatSdata4 = 0x0b;
inline constexpr uint8_t kFormatSdata8 = 0x0c;
inline constexpr uint8_t kRelativeMask = 0x70;
inline constexpr uint8_t kRelativeToNothing = 0x00;
inline constexpr uint8_t kRelativeToItself = 0x10;
inline constexpr uint8_t kRelativeToData = 0x30;
inline constexpr uint8_t kIndirect = 0x80;

// Walks through memory from `address` on. After the first failure every read fails.
class EncodedReader {
 public:
  // `elf64`: how long an address is. `data`: what numbers relative to data are relative to.
  EncodedReader(uint64_t address, MemoryReader memory, bool elf64, uint64_t data) noexcept
      : address_(address), memory_(memory), elf64_(elf64), data_(data) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] uint64_t address() const noexcept { return address_; }
  void skip(uint64_t bytes) noexcept { address_ += bytes; }

  uint64_t fixed(unsigned bytes) noexcept;
  uint64_t uleb128() noexcept;
  int64_t sleb128() noexcept;
  // A number in one of the encodings; fails for those that need what is not known (textrel,
  // funcrel, aligned, indirect).
  uint64_t encoded(uint8_t encoding) noexcept;

  // An address of this image: cut to its width.
  [[nodiscard]] uint64_t cut(uint64_t value) const noexcept {
    return elf64_ ? value : value & 0xffffffff;
  }

 private:
  uint64_t fail() noexcept {
    ok_ = false;
    return 0;
  }
  uint64_t format(uint8_t encoding) noexcept;

  uint64_t address_;
  MemoryReader memory_;
  bool elf64_;
  uint64_t data_;
  bool ok_ = true;
  // What was read ahead: a read of another process' memory is a system call.
  uint64_t ahead_address_ = 0;
  size_t ahead_size_ = 0;
  uint8_t ahead_[32];
};

// Bytes of a number in a fixed-size encoding, 0 for the others.
[[nodiscard]] unsigned encoded_size(uint8_t encoding, bool elf64) noexcept;

}  // namespace kebound::elf
