// SPDX-License-Identifier: Apache-2.0
//
// A mapped ELF image as a debugger without symbols sees it: its executable segments, and where its
// functions begin and end. The latter are read from .eh_frame_hdr, the sorted table with which
// exceptions find their way; stripped programs have it, too, and it is mapped. Freestanding, no
// allocation; the image is hostile.
// Source: System V ABI, "Program Header"; Linux Standard Base, "Exception Frames"; DWARF 4, 6.4.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/memory_reader.h"
#include "trap/x86/code_range.h"
#include "trap/x86/instruction.h"

namespace kebound::elf {

using x86::CodeMode;
using x86::CodeRange;

// The program headers of an image in memory, as dl_iterate_phdr() gives them.
struct ProgramHeaders {
  uint64_t address = 0;
  uint16_t count = 0;  // more than kMaxProgramHeaders are refused
  bool elf64 = true;   // Elf64_Phdr, else Elf32_Phdr
  CodeMode mode = CodeMode::Bits64;
  uint64_t bias = 0;  // what is added to the addresses in the file
};

inline constexpr uint16_t kMaxProgramHeaders = 256;
inline constexpr size_t kMaxTextSegments = 8;

// What has been read of an image once. Plain data; true as long as the image is mapped.
struct Image {
  CodeMode mode = CodeMode::Bits64;
  bool elf64 = true;
  uint8_t text_count = 0;
  CodeRange text[kMaxTextSegments];  // executable segments, by their addresses in memory
  // The table of functions; none if function_count is 0.
  uint64_t header_address = 0;  // of .eh_frame_hdr
  uint64_t table_address = 0;
  uint64_t function_count = 0;
  uint8_t table_encoding = 0;  // DW_EH_PE
};

// The program headers of the image whose ELF header is mapped at `base`; false if there is no x86
// ELF header with program headers behind it. Context: anywhere.
[[nodiscard]] bool find_program_headers(uint64_t base, MemoryReader memory,
                                        ProgramHeaders& out) noexcept;

// Reads what an image has; false if the headers cannot be read or nothing is executable. An image
// without a usable table of functions is an image all the same. Context: anywhere.
[[nodiscard]] bool read_image(const ProgramHeaders& headers, MemoryReader memory,
                              Image& out) noexcept;

// The executable segment around `address`, null if it is in none. Context: anywhere.
[[nodiscard]] const CodeRange* text_around(const Image& image, uint64_t address) noexcept;

// The function around `address`, found in a number of reads that is the logarithm of the number of
// functions; false if the table knows none (hand-written code, the procedure linkage table of some
// linkers) or is damaged. A function in several parts has a range for each. Context: anywhere.
[[nodiscard]] bool function_around(const Image& image, uint64_t address, MemoryReader memory,
                                   CodeRange& out) noexcept;

// The function of number `index` in the order of addresses; false if there is none, or this entry
// is damaged. Context: anywhere.
[[nodiscard]] bool function_at(const Image& image, uint64_t index, MemoryReader memory,
                               CodeRange& out) noexcept;

}  // namespace kebound::elf
