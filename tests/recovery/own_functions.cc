// SPDX-License-Identifier: Apache-2.0
#include "own_functions.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace kebound::recovery_test {
namespace {

struct Function {
  x86::CodeRange range;
  std::string name;
};
std::vector<Function> functions;
x86::CodeRange text;

bool find(void*, uint64_t address, x86::CodePlace& out) noexcept {
  const auto behind =
      std::upper_bound(functions.begin(), functions.end(), address,
                       [](uint64_t a, const Function& f) { return a < f.range.begin; });
  if (behind == functions.begin()) return false;
  const Function& function = *(behind - 1);
  if (!function.range.contains(address)) return false;
  out.function = function.range;
  out.text = text;
  return true;
}

int note_segments(dl_phdr_info* info, size_t, void* base) {
  *static_cast<uint64_t*>(base) = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) {
      text.begin = info->dlpi_addr + segment.p_vaddr;
      text.end = text.begin + segment.p_memsz;
    }
  }
  return 1;  // the program is the first
}

}  // namespace

void load_own_functions() {
  uint64_t base = 0;
  dl_iterate_phdr(note_segments, &base);
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::vector<char> image{std::istreambuf_iterator<char>(file), {}};
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(image.data());
  const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(image.data() + header->e_shoff);
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const char* names = image.data() + sections[sections[i].sh_link].sh_offset;
    const auto* symbols = reinterpret_cast<const ElfW(Sym)*>(image.data() + sections[i].sh_offset);
    for (size_t n = 0; n < sections[i].sh_size / sizeof *symbols; ++n) {
      if ((symbols[n].st_info & 15) != STT_FUNC || symbols[n].st_size == 0) continue;
      const uint64_t begin = base + symbols[n].st_value;
      functions.push_back({{begin, begin + symbols[n].st_size}, names + symbols[n].st_name});
    }
  }
  if (functions.empty()) {
    fprintf(stderr, "no symbols\n");
    exit(2);
  }
  std::sort(functions.begin(), functions.end(), [](const Function& a, const Function& b) {
    return a.range.begin < b.range.begin;
  });
}

x86::FunctionLookup own_functions() { return {nullptr, find}; }

const char* own_function_name(uint64_t address) {
  for (const Function& function : functions) {
    if (function.range.contains(address)) return function.name.c_str();
  }
  return "?";
}

}  // namespace kebound::recovery_test
