// SPDX-License-Identifier: Apache-2.0
#include "trap/calls/remote_text.h"

namespace kebound::calls {
namespace {

constexpr size_t kPiece = 64;
constexpr uint64_t kLongestPath = 4096;

// Pieces that end at a multiple of their size: none crosses a page without need.
size_t next_piece(const MemoryReader& memory, uint64_t address, char (&piece)[kPiece]) noexcept {
  return memory.read_some(memory.self, address, piece, kPiece - address % kPiece);
}

}  // namespace

bool read_text(const MemoryReader& memory, uint64_t address, char* buffer, size_t size) noexcept {
  char piece[kPiece];
  size_t used = 0;
  buffer[0] = '\0';
  while (used + 1 < size) {
    const size_t got = next_piece(memory, address + used, piece);
    if (got == 0) break;
    for (size_t i = 0; i < got; ++i) {
      const char c = piece[i];
      if (c == '\0') return true;
      if (used + 1 == size) return true;
      buffer[used++] = static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c;
      buffer[used] = '\0';
    }
  }
  return used != 0;
}

bool read_text_end(const MemoryReader& memory, uint64_t address, char* buffer,
                   size_t size) noexcept {
  constexpr size_t kDots = 3;
  uint64_t length = 0;
  if (size <= kDots + 1 || !text_length(memory, address, kLongestPath, length) || length < size) {
    return read_text(memory, address, buffer, size);
  }
  for (size_t i = 0; i < kDots; ++i) buffer[i] = '.';
  return read_text(memory, address + length - (size - 1 - kDots), buffer + kDots, size - kDots);
}

bool text_length(const MemoryReader& memory, uint64_t address, uint64_t most,
                 uint64_t& length) noexcept {
  char piece[kPiece];
  for (length = 0; length <= most;) {
    const size_t got = next_piece(memory, address + length, piece);
    if (got == 0) return false;
    for (size_t i = 0; i < got; ++i, ++length) {
      if (piece[i] == '\0') return length <= most;
    }
  }
  return false;
}

}  // namespace kebound::calls
