// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/inproc/shared_data.h"

#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

namespace kebound::conformance {
namespace {

bool share(uintptr_t begin, uintptr_t end) {
  const size_t size = end - begin;
  void* const here = reinterpret_cast<void*>(begin);
  const std::vector<char> content(static_cast<const char*>(here),
                                  static_cast<const char*>(here) + size);
  if (mmap(here, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
      here) {
    return false;
  }
  memcpy(here, content.data(), size);
  return true;
}

struct Search {
  uintptr_t address;
  bool found;
  bool shared;
};

int look(dl_phdr_info* info, size_t /*size*/, void* opaque) {
  auto& search = *static_cast<Search*>(opaque);
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  uintptr_t read_only_end = 0;  // of what is read-only once it is relocated
  bool within = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    const uintptr_t end = begin + segment.p_memsz;
    if (segment.p_type == PT_GNU_RELRO) read_only_end = end / page * page;
    within =
        within || (segment.p_type == PT_LOAD && search.address >= begin && search.address < end);
  }
  if (!within) return 0;
  search.found = true;
  search.shared = true;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) == 0) continue;
    uintptr_t begin = (info->dlpi_addr + segment.p_vaddr) / page * page;
    if (begin < read_only_end) begin = read_only_end;
    const uintptr_t end =
        (info->dlpi_addr + segment.p_vaddr + segment.p_memsz + page - 1) / page * page;
    if (begin < end) search.shared = search.shared && share(begin, end);
  }
  return 1;
}

}  // namespace

bool share_data_of_image(const void* address) {
  Search search{reinterpret_cast<uintptr_t>(address), false, false};
  dl_iterate_phdr(look, &search);
  return search.found && search.shared;
}

}  // namespace kebound::conformance
