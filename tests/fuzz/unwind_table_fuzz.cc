// SPDX-License-Identifier: Apache-2.0
//
// The input is a mapped image, its file with a page's alignment. Whatever is damaged: what is found
// has to lie within the executable segments and contain what was asked for, and the number of reads
// is bounded.
#include "tests/fuzz/fuzz_target.h"
#include "trap/elf/unwind_table.h"

using kebound::fuzz::fail_if;
using namespace kebound;
using namespace kebound::elf;

namespace {

constexpr uint64_t kBase = 0x56550000;

struct Mapping {
  const uint8_t* data;
  size_t size;
  size_t reads = 0;
};

size_t read_some(void* self, uint64_t address, void* buffer, size_t size) noexcept {
  Mapping& mapping = *static_cast<Mapping*>(self);
  ++mapping.reads;
  const uint64_t offset = address - kBase;
  if (offset >= mapping.size) return 0;
  const size_t count = std::min<size_t>(size, mapping.size - offset);
  std::memcpy(buffer, mapping.data + offset, count);
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Mapping mapping{data, size};
  const MemoryReader memory{&mapping, read_some};
  ProgramHeaders headers;
  Image image;
  if (!find_program_headers(kBase, memory, headers) || !read_image(headers, memory, image)) {
    fail_if(mapping.reads < 1000 ? "" : "too many reads of headers");
    return 0;
  }
  CodeRange range;
  for (uint64_t i = 0; i < std::min<uint64_t>(image.function_count, 64); ++i) {
    mapping.reads = 0;
    if (!function_at(image, i, memory, range)) continue;
    const CodeRange* text = text_around(image, range.begin);
    fail_if(text != nullptr && range.end <= text->end && range.end > range.begin
                ? ""
                : "a function outside the code");
    fail_if(mapping.reads < 100 ? "" : "too many reads for a function");
  }
  for (uint64_t offset = 0; offset < size; offset += 61) {
    mapping.reads = 0;
    if (!function_around(image, kBase + offset, memory, range)) continue;
    fail_if(range.contains(kBase + offset) ? "" : "a function that is not around the address");
    fail_if(mapping.reads < 300 ? "" : "too many reads for an address");
  }
  return 0;
}
