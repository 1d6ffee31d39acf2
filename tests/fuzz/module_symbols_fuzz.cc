// SPDX-License-Identifier: Apache-2.0
//
// The input is a program's file: 8 bytes that choose addresses, then ELF and DWARF as the
// symbolizer reads them.
#include "report/elf_file.h"
#include "report/module_symbols.h"
#include "tests/fuzz/fuzz_target.h"

using namespace kebound::report;

namespace {

// Each lies within an element of the next one, but for members of a union, and has the byte in it.
void check_arrays(const std::optional<kebound::x86::ArrayNest>& arrays) {
  using kebound::fuzz::fail_if;
  if (!arrays) return;
  fail_if(arrays->count != 0 && arrays->count <= arrays->kMax ? "" : "a count of nothing");
  uint64_t size = 1;
  for (uint32_t i = 0; i < arrays->count; ++i) {
    const auto& level = arrays->levels[i];
    if (i <= arrays->alternatives()) size = 1;
    fail_if(level.element_size >= size && level.count != 0 ? "" : "an array of nothing");
    size = level.count * level.element_size;
    fail_if(level.offset < size ? "" : "an array that does not have the byte");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kebound::fuzz::Input input(data, size);
  const auto offset = input.take<uint64_t>();
  const auto rest = input.rest();
  const auto file = ElfFile::from_bytes({rest.begin(), rest.end()});
  if (file == nullptr) return 0;
  // Nowhere to look for debug files: what the input says stays within the input.
  ModuleSymbols symbols(file, "", "", "/nonexistent");
  for (const uint64_t address :
       {file->begin_address(), file->begin_address() + offset % 0x10000, offset}) {
    // A hostile chain of inlined functions ends at the walk's own limit, far below this.
    kebound::fuzz::fail_if(symbols.frames_at(address).size() <= 1024 ? "" : "no end of frames");
    check_arrays(symbols.arrays_at(address));
    const auto facts = symbols.function_at(address);
    kebound::fuzz::fail_if(!facts || are_sound(*facts) ? "" : "facts of no kind");
  }
  return 0;
}
