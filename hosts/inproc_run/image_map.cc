// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/image_map.h"

#include <elf.h>

#include <algorithm>
#include <string>

#include "hosts/posix/file.h"
#include "hosts/posix/module_map.h"

namespace kebound::inproc_run {
namespace {

constexpr unsigned kMaxSegments = 512;

void set_build(events::Mapping& mapping, const RingRecord& record) {
  if (!record.image_id.is_known()) return;
  mapping.build_id = record.image_id.build_id;
  mapping.bias = record.image_bias;
}

// The mappings that a file's program headers ask for at a bias. Null if it is no such file.
template <class Header, class Segment>
std::shared_ptr<events::ModuleMap> map_segments(const posix::File& file, const std::string& path,
                                                uint64_t bias) {
  const auto header = file.read_object<Header>(0);
  if (!header || header->e_phentsize != sizeof(Segment) || header->e_phnum > kMaxSegments) {
    return nullptr;
  }
  auto map = std::make_shared<events::ModuleMap>();
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    uint64_t at = 0;
    if (__builtin_add_overflow(uint64_t{header->e_phoff}, uint64_t{i} * sizeof(Segment), &at)) {
      return nullptr;
    }
    const auto segment = file.read_object<Segment>(at);
    if (!segment) return nullptr;
    if (segment->p_type != PT_LOAD) continue;
    events::Mapping mapping;
    mapping.begin = bias + segment->p_vaddr;
    mapping.end = mapping.begin + segment->p_filesz;
    if (mapping.end < mapping.begin) return nullptr;
    mapping.file_offset = segment->p_offset;
    mapping.executable = (segment->p_flags & PF_X) != 0;
    mapping.path = mapping.open_path = path;
    map->mappings.push_back(std::move(mapping));
  }
  const auto by_begin = [](const auto& a, const auto& b) { return a.begin < b.begin; };
  std::sort(map->mappings.begin(), map->mappings.end(), by_begin);
  return map;
}

}  // namespace

const events::Mapping* mapping_at(const events::ModuleMap& map, uint64_t address) {
  // The mappings are sorted by begin.
  auto after = std::upper_bound(map.mappings.begin(), map.mappings.end(), address,
                                [](uint64_t a, const events::Mapping& m) { return a < m.begin; });
  if (after == map.mappings.begin()) return nullptr;
  const events::Mapping& mapping = *--after;
  return address < mapping.end ? &mapping : nullptr;
}

std::shared_ptr<const events::ModuleMap> map_of_image(const RingRecord& record) {
  const posix::File file(record.image);
  const std::string ident = file.read(0, EI_NIDENT);
  if (ident.size() != EI_NIDENT || ident.compare(0, SELFMAG, ELFMAG) != 0) return nullptr;
  auto map = record.is_64bit
                 ? map_segments<Elf64_Ehdr, Elf64_Phdr>(file, record.image, record.image_bias)
                 : map_segments<Elf32_Ehdr, Elf32_Phdr>(file, record.image, record.image_bias);
  if (map == nullptr) return nullptr;
  map->generation = posix::new_map_generation();
  map->is_64bit = record.is_64bit;
  for (events::Mapping& mapping : map->mappings) set_build(mapping, record);
  return map;
}

std::shared_ptr<const events::ModuleMap> with_build_id(
    const std::shared_ptr<const events::ModuleMap>& from, const RingRecord& record, uint64_t ip) {
  const events::Mapping* const at = mapping_at(*from, ip);
  if (at == nullptr || record.image_id.build_id.empty()) return from;
  auto map = std::make_shared<events::ModuleMap>();
  map->generation = posix::new_map_generation();
  map->is_64bit = from->is_64bit;
  map->mappings = from->mappings;
  map->source = from;
  for (events::Mapping& mapping : map->mappings) {
    if (mapping.path == at->path) set_build(mapping, record);
  }
  return map;
}

std::shared_ptr<const events::ModuleMap> map_without_file(const RingRecord& record,
                                                          const BoundEvent& event) {
  auto map = std::make_shared<events::ModuleMap>();
  map->generation = posix::new_map_generation();
  map->is_64bit = record.is_64bit;
  events::Mapping mapping;
  mapping.begin = mapping.end = event.ip;
  for (const uint64_t address : {event.trap_ip, event.line_ip}) {
    if (address == 0) continue;
    mapping.begin = std::min(mapping.begin, address);
    mapping.end = std::max(mapping.end, address);
  }
  if (mapping.end != UINT64_MAX) ++mapping.end;
  mapping.executable = true;
  mapping.path = record.image;
  set_build(mapping, record);
  map->mappings.push_back(std::move(mapping));
  return map;
}

}  // namespace kebound::inproc_run
