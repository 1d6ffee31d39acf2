// SPDX-License-Identifier: Apache-2.0
//
// The input is a program's file: 8 bytes that choose addresses, then ELF and DWARF as the
// symbolizer reads them.
#include "report/elf_file.h"
#include "report/module_symbols.h"
#include "tests/fuzz/fuzz_target.h"

using namespace kebound::report;

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
    const auto array = symbols.array_at(address);
    kebound::fuzz::fail_if(!array || array->element_size != 0 ? "" : "an array of nothing");
    const auto facts = symbols.function_at(address);
    kebound::fuzz::fail_if(!facts || are_sound(*facts) ? "" : "facts of no kind");
  }
  return 0;
}
