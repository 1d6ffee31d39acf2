// SPDX-License-Identifier: Apache-2.0
//
// The user's memory: the lower half, one address space, pages that are there from when they are
// mapped until the kernel starts anew. And the kernel's heap, behind kb_allocate().
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/memory_reader.h"

namespace kebound::bare {

inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kUserEnd = 1u << 30;  // the first address that cannot be mapped

void start_memory() noexcept;

// Zeroed pages, readable, writable and executable, for all of [address, address + size); what is
// mapped already stays. False: not the user's, or no memory.
[[nodiscard]] bool map_user(uint64_t address, uint64_t size) noexcept;

// Copies what is there from the start on; returns how much. Never faults. Context: anywhere.
size_t read_user(uint64_t address, void* buffer, size_t size) noexcept;
size_t write_user(uint64_t address, const void* buffer, size_t size) noexcept;
// The same for trap/.
[[nodiscard]] MemoryReader user_memory() noexcept;

// How often the heap was asked for memory.
[[nodiscard]] uint64_t allocation_count() noexcept;

}  // namespace kebound::bare
