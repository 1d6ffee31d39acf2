// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/device_image.h"

#include <elf.h>
#include <string.h>

#include "hosts/posix/file.h"

namespace kebound::tool {
namespace {

constexpr size_t kMostSegments = 512;

template <class Value>
[[nodiscard]] bool read_at(const posix::File& file, uint64_t offset, Value& out) {
  const std::string bytes = file.read(offset, sizeof out);
  if (bytes.size() != sizeof out) return false;
  memcpy(&out, bytes.data(), sizeof out);
  return true;
}

template <class Header, class Segment>
[[nodiscard]] std::optional<uint64_t> find(const posix::File& file, uint64_t address,
                                           uint64_t place) {
  Header header;
  if (!read_at(file, 0, header) || header.e_phentsize != sizeof(Segment)) return std::nullopt;
  const size_t count = header.e_phnum < kMostSegments ? header.e_phnum : kMostSegments;
  for (size_t i = 0; i < count; ++i) {
    Segment segment;
    const uint64_t at = uint64_t{header.e_phoff} + i * sizeof segment;
    if (at < header.e_phoff || !read_at(file, at, segment)) return std::nullopt;
    if (segment.p_type != PT_LOAD || place < segment.p_offset ||
        place - segment.p_offset >= segment.p_filesz)
      continue;
    return address - (place - segment.p_offset + segment.p_vaddr);
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> load_bias(const std::string& path, uint64_t address, uint64_t file_bias) {
  const posix::File file(path);
  const std::string ident = file.read(0, EI_NIDENT);
  if (ident.size() != EI_NIDENT || ident.compare(0, SELFMAG, ELFMAG) != 0) return std::nullopt;
  const uint64_t place = address - file_bias;
  switch (ident[EI_CLASS]) {
    case ELFCLASS64:
      return find<Elf64_Ehdr, Elf64_Phdr>(file, address, place);
    case ELFCLASS32:
      return find<Elf32_Ehdr, Elf32_Phdr>(file, address, place);
    default:
      return std::nullopt;
  }
}

}  // namespace kebound::tool
