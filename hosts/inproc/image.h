// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include "core/atomic.h"

namespace kebound::inproc {

// A loaded ELF object of this process.
struct Image {
  uint64_t begin = 0;  // where it is mapped
  uint64_t end = 0;
  const char* path = "";  // the loader's, "" for the program
  uint64_t bias = 0;      // its own addresses + bias = addresses in memory

  [[nodiscard]] bool found() const noexcept { return end != 0; }
  [[nodiscard]] bool contains(uint64_t address) const noexcept {
    return address >= begin && address < end;
  }
};

// The object that an address is in; not found() for none. Context: anywhere.
[[nodiscard]] Image image_of(uint64_t address) noexcept;

// How many objects went away: what is remembered about addresses may be about another one then.
inline constinit Atomic<uint32_t> g_images_gone;

// Whether code can be executed at the address: in an executable segment of a loaded object, or in
// other executable memory (generated code). Context: anywhere.
[[nodiscard]] bool is_executable(uint64_t address) noexcept;

}  // namespace kebound::inproc
