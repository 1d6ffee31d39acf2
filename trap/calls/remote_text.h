// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/memory_reader.h"

namespace kebound::calls {

// A C string of the program's into `buffer`, at most size - 1 characters of it; control characters
// become '?'. False, with an empty buffer, where its first character cannot be read.
[[nodiscard]] bool read_text(const MemoryReader& memory, uint64_t address, char* buffer,
                             size_t size) noexcept;

// The same of a path: where it is too long, its end, behind "...".
[[nodiscard]] bool read_text_end(const MemoryReader& memory, uint64_t address, char* buffer,
                                 size_t size) noexcept;

// Its length without the 0; false where it does not end within `most` characters or readable
// memory.
[[nodiscard]] bool text_length(const MemoryReader& memory, uint64_t address, uint64_t most,
                               uint64_t& length) noexcept;

}  // namespace kebound::calls
