// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kebound::elf {

// A number of ELF files of x86, at any alignment.
template <class T>
[[nodiscard]] T number(const uint8_t* bytes) noexcept {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= uint64_t{bytes[i]} << (8 * i);
  return static_cast<T>(value);
}

}  // namespace kebound::elf
