// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>

#include "hosts/fake/fake_host.h"

namespace kebound::fake {

namespace {

// The first object that the loader lists is the program.
int note_program(dl_phdr_info* info, size_t /*size*/, void* opaque) {
  auto& image = *static_cast<nt::Image*>(opaque);
  image.base = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    if (image.executable_count == nt::Image::kMaxRanges) break;
    const uint64_t begin = info->dlpi_addr + segment.p_vaddr;
    image.executable[image.executable_count++] = {begin, begin + segment.p_memsz};
  }
  return 1;
}

void read_symbols(nt::Image& image, Elf* elf) {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type != SHT_SYMTAB ||
        header.sh_entsize == 0)
      continue;
    Elf_Data* const data = elf_getdata(section, nullptr);
    if (data == nullptr) continue;
    const auto count = static_cast<int>(header.sh_size / header.sh_entsize);
    for (int i = 0; i < count; ++i) {
      GElf_Sym symbol;
      if (gelf_getsym(data, i, &symbol) == nullptr || GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
        continue;
      const char* const name = elf_strptr(elf, header.sh_link, symbol.st_name);
      if (symbol.st_shndx == SHN_UNDEF || name == nullptr) continue;
      image.symbols.push_back({image.base + symbol.st_value, symbol.st_size, name});
    }
  }
  std::sort(image.symbols.begin(), image.symbols.end(),
            [](const auto& a, const auto& b) { return a.address < b.address; });
}

}  // namespace

nt::Image program_image(void* loader_entry) {
  nt::Image image;
  image.name = program_invocation_short_name;
  image.loader_entry = loader_entry;
  dl_iterate_phdr(note_program, &image);
  // Names are a help in reports; without them addresses have to do.
  const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && elf_version(EV_CURRENT) != EV_NONE) {
    if (Elf* const elf = elf_begin(fd, ELF_C_READ_MMAP, nullptr)) {
      read_symbols(image, elf);
      elf_end(elf);
    }
  }
  if (fd >= 0) close(fd);
  return image;
}

}  // namespace kebound::fake
