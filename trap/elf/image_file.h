// SPDX-License-Identifier: Apache-2.0
//
// An ELF file as whoever maps it sees it: its program headers, read from the file. They say which
// build it is, and what address the file itself gives to a place in it. Freestanding, no
// allocation; the file is hostile.
// Source: System V ABI, "Program Header" and "Note Section"; the build ID is a note of GNU's.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/memory_reader.h"

namespace kebound::elf {

// What linkers write is a SHA-1 at most; of a longer one nothing is taken.
inline constexpr size_t kMaxBuildId = 20;

struct ImageFile {
  uint8_t build_id[kMaxBuildId] = {};
  uint8_t build_id_size = 0;  // 0: the file has none
  bool has_address = false;
  uint64_t address = 0;  // of the place that was asked for, as the file gives it
};

// Where the file is read through. An ELF file is mostly read in one piece of this size.
inline constexpr size_t kImageWindow = 4096;

// Reads the headers of a file, whose bytes `file` gives by their offsets, through a buffer of at
// least 512 bytes. `place` is a place in it, by its offset. False if it is no ELF file of one of
// x86's two classes, or its program headers are not there. The number of reads is bounded.
// Context: anywhere that `file` can be read.
[[nodiscard]] bool read_image_file(MemoryReader file, uint64_t place, uint8_t* buffer,
                                   size_t buffer_size, ImageFile& out) noexcept;

}  // namespace kebound::elf
