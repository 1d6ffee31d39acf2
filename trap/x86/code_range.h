// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

namespace kebound::x86 {

struct CodeRange {
  uint64_t begin = 0;
  uint64_t end = 0;  // exclusive

  [[nodiscard]] constexpr bool contains(uint64_t address) const noexcept {
    return address >= begin && address < end;
  }
  [[nodiscard]] constexpr uint64_t size() const noexcept { return end > begin ? end - begin : 0; }

  bool operator==(const CodeRange&) const = default;
};

}  // namespace kebound::x86
