// SPDX-License-Identifier: Apache-2.0
#include "report/module_arrays.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>

#include <algorithm>

#include "report/die_path.h"
#include "report/die_type.h"

namespace kebound::report {
namespace {

constexpr size_t kMaxEntries = 4'000'000;  // of all units
constexpr size_t kMaxVariables = 1'000'000;
constexpr size_t kMaxUnits = 200'000;
constexpr size_t kMaxDepth = 128;
constexpr unsigned kMaxNesting = 8;     // structures and arrays in each other
constexpr unsigned kMaxDimensions = 8;  // of an array, and one more
constexpr unsigned kMaxMembers = 4096;  // of a structure

// Of what is no array; 0: not known.
uint64_t plain_size(Dwarf_Die* type) {
  if (const auto size = number(type, DW_AT_byte_size)) return *size;
  uint8_t address_size = 0;
  Dwarf_Die unit;
  const bool is_pointer = dwarf_tag(type) == DW_TAG_pointer_type;
  if (!is_pointer || dwarf_diecu(type, &unit, &address_size, nullptr) == nullptr) return 0;
  return address_size;
}

// The dimensions of an array's type, the first one first. `element`: what is in the last one.
struct Dimensions {
  std::vector<uint64_t> counts;
  Dwarf_Die element = {};
  uint64_t size = 0;  // of all, in bytes
};

uint64_t size_of(Dwarf_Die* type, unsigned nesting);

// False where a length or the elements' size is not known.
bool read_array(Dwarf_Die* type, Dimensions& array, unsigned nesting) {
  Dwarf_Die child;
  if (nesting == kMaxNesting || dwarf_child(type, &child) != 0) return false;
  if (!type_of(type, array.element)) return false;
  array.size = size_of(&array.element, nesting + 1);
  // Some vectors and Ada's packed arrays say where elements are by a stride.
  if (array.size == 0 || dwarf_hasattr(type, DW_AT_byte_stride) != 0 ||
      dwarf_hasattr(type, DW_AT_bit_stride) != 0 || dwarf_hasattr(type, DW_AT_data_location) != 0) {
    return false;
  }
  do {
    if (dwarf_tag(&child) != DW_TAG_subrange_type) return false;
    const auto lower = number(&child, DW_AT_lower_bound);
    const auto upper = number(&child, DW_AT_upper_bound);
    const auto count = number(&child, DW_AT_count);
    if (lower.value_or(0) != 0 || (!upper && !count)) return false;
    array.counts.push_back(count ? *count : *upper + 1);
    if (array.counts.back() == 0 || array.counts.back() > kMaxSize / array.size) return false;
    array.size *= array.counts.back();
  } while (array.counts.size() < kMaxDimensions && dwarf_siblingof(&child, &child) == 0);
  return array.counts.size() < kMaxDimensions;
}

// Bytes; 0: not known.
uint64_t size_of(Dwarf_Die* type, unsigned nesting) {
  if (dwarf_tag(type) != DW_TAG_array_type) return plain_size(type);
  Dimensions array;
  return read_array(type, array, nesting) ? array.size : 0;
}

// What is known of a byte in a type.
enum class Within : uint8_t {
  Inside,   // `type` and `offset` are those of the member that it lies in
  Nothing,  // it lies between members, or in one that is no array
  Unknown,
};

// The one member of the structure that has the byte at `offset`, which becomes that in the member.
Within find_member(Dwarf_Die* structure, uint64_t& offset, Dwarf_Die& type) {
  Dwarf_Die member;
  if (dwarf_child(structure, &member) != 0) return Within::Nothing;
  Within found = Within::Nothing;
  uint64_t within = 0;
  for (unsigned i = 0; i < kMaxMembers; ++i) {
    const int tag = dwarf_tag(&member);
    if (tag == DW_TAG_variant_part) return Within::Unknown;
    const bool is_static = dwarf_hasattr(&member, DW_AT_external) != 0;
    const bool is_bits = dwarf_hasattr(&member, DW_AT_bit_size) != 0;
    if ((tag == DW_TAG_member || tag == DW_TAG_inheritance) && !is_static && !is_bits) {
      const auto at = number(&member, DW_AT_data_member_location);
      Dwarf_Die its;
      if (!at || !type_of(&member, its)) return Within::Unknown;
      const uint64_t size = size_of(&its, 0);
      // A flexible array is all that may follow, and what has no known size.
      if (size == 0 && *at <= offset) return Within::Unknown;
      if (*at <= offset && offset - *at < size) {
        if (found != Within::Nothing) return Within::Unknown;
        found = Within::Inside;
        within = offset - *at;
        type = its;
      }
    }
    if (dwarf_siblingof(&member, &member) != 0) {
      offset = within;
      return found;
    }
  }
  return Within::Unknown;
}

bool is_plain(int tag) {
  return tag == DW_TAG_base_type || tag == DW_TAG_pointer_type || tag == DW_TAG_enumeration_type;
}

// Adds the levels of an array, of which `offset` becomes that in the last one's element. False
// where there are too many.
bool add_levels(const Dimensions& array, uint64_t& offset, std::vector<x86::ArrayLevel>& out) {
  uint64_t size = array.size;
  for (const uint64_t count : array.counts) {
    if (out.size() == x86::ArrayNest::kMax) return false;
    out.push_back({offset, count, size / count});
    size /= count;
    offset %= size;
  }
  return true;
}

// The arrays of a union's members, where these are arrays of plain numbers, and plain numbers; none
// where there are other members, or too many.
uint32_t add_members(Dwarf_Die* type, uint64_t offset, std::vector<x86::ArrayLevel>& out) {
  const size_t before = out.size();
  std::vector<x86::ArrayLevel> levels = out;
  Dwarf_Die member;
  bool more = dwarf_child(type, &member) == 0;
  for (unsigned i = 0; more && i < kMaxMembers; ++i) {
    Dwarf_Die its;
    Dimensions array;
    if (dwarf_tag(&member) != DW_TAG_member || !type_of(&member, its) ||
        dwarf_hasattr(&member, DW_AT_bit_size) != 0 ||
        number(&member, DW_AT_data_member_location).value_or(0) != 0) {
      return 0;
    }
    if (dwarf_tag(&its) == DW_TAG_array_type) {
      uint64_t within = offset;
      if (!read_array(&its, array, 0) || !is_plain(dwarf_tag(&array.element))) return 0;
      if (offset < array.size && !add_levels(array, within, levels)) return 0;
    } else if (!is_plain(dwarf_tag(&its))) {
      return 0;
    }
    more = dwarf_siblingof(&member, &member) == 0;
  }
  if (more) return 0;
  out = std::move(levels);
  return static_cast<uint32_t>(out.size() - before);
}

// The arrays around the byte at `offset` of the type, outermost first; false where there are too
// many. `unknown`: as ArrayNest::more_within.
bool arrays_in(Dwarf_Die type, uint64_t offset, std::vector<x86::ArrayLevel>& out,
               uint32_t& unknown) {
  unknown = 0;
  for (unsigned i = 0; i < kMaxNesting; ++i) {
    switch (dwarf_tag(&type)) {
      case DW_TAG_array_type: {
        Dimensions array;
        if (!read_array(&type, array, 0)) {
          unknown = 1;
          return true;
        }
        if (!add_levels(array, offset, out)) return false;
        type = array.element;
        break;
      }
      case DW_TAG_structure_type:
      case DW_TAG_class_type: {
        Dwarf_Die member;
        const Within within = find_member(&type, offset, member);
        unknown = within == Within::Unknown ? 1 : 0;
        if (within != Within::Inside) return true;
        type = member;
        break;
      }
      case DW_TAG_union_type:
        unknown = 1 + add_members(&type, offset, out);
        return true;
      default:
        unknown = is_plain(dwarf_tag(&type)) ? 0 : 1;
        return true;
    }
  }
  unknown = 1;
  return true;
}

bool are_same(const std::vector<x86::ArrayLevel>& a, const std::vector<x86::ArrayLevel>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const x86::ArrayLevel& one, const x86::ArrayLevel& other) {
                      return one.offset == other.offset && one.count == other.count &&
                             one.element_size == other.element_size;
                    });
}

// Of a variable that lies at the same place as long as the program runs.
std::optional<uint64_t> fixed_address(Dwarf_Die* die) {
  Dwarf_Attribute location;
  Dwarf_Op* operations = nullptr;
  size_t count = 0;
  if (dwarf_attr(die, DW_AT_location, &location) == nullptr ||
      dwarf_getlocation(&location, &operations, &count) != 0 || count != 1) {
    return std::nullopt;
  }
  if (operations[0].atom == DW_OP_addr) return operations[0].number;
  if (operations[0].atom != DW_OP_addrx && operations[0].atom != DW_OP_GNU_addr_index) {
    return std::nullopt;
  }
  Dwarf_Attribute entry;
  Dwarf_Addr address = 0;
  if (dwarf_getlocation_attr(&location, &operations[0], &entry) != 0 ||
      dwarf_formaddr(&entry, &address) != 0) {
    return std::nullopt;
  }
  return address;
}

}  // namespace

ModuleArrays::ModuleArrays(Dwfl_Module* module) : module_(module) {
  Dwarf_Die* unit = nullptr;
  Dwarf_Addr bias = 0;
  for (size_t i = 0; complete_; ++i) {
    unit = dwfl_module_nextcu(module_, unit, &bias);
    if (unit == nullptr) return;
    if (i == kMaxUnits) complete_ = false;
    add_unit(unit, bias);
  }
}

void ModuleArrays::add_unit(Dwarf_Die* unit, Dwarf_Addr bias) {
  DiePath path(1);
  if (dwarf_child(unit, &path[0]) != 0) return;
  while (!path.empty()) {
    if (++entries_ > kMaxEntries || variables_.size() > kMaxVariables) {
      complete_ = false;
      return;
    }
    Dwarf_Die child;
    if (dwarf_tag(&path.back()) == DW_TAG_variable) add(&path.back(), bias);
    if (is_scope(&path.back()) && dwarf_child(&path.back(), &child) == 0) {
      if (path.size() == kMaxDepth) {
        complete_ = false;
        return;
      }
      path.push_back(child);
      continue;
    }
    leave_entry(path);
  }
}

void ModuleArrays::add(Dwarf_Die* die, Dwarf_Addr bias) {
  const auto address = fixed_address(die);
  Variable variable;
  if (!address || !type_of(die, variable.type)) return;
  variable.begin = *address + bias;
  variables_.push_back(variable);
}

bool ModuleArrays::is_written(uint64_t address) const {
  GElf_Addr bias = 0;
  Elf* const elf = dwfl_module_getelf(module_, &bias);
  if (elf == nullptr) return false;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) return false;
    const uint64_t offset = address - bias - header.sh_addr;
    const bool is_memory = (header.sh_flags & SHF_ALLOC) != 0 && (header.sh_flags & SHF_TLS) == 0;
    if (is_memory && offset < header.sh_size) return (header.sh_flags & SHF_WRITE) != 0;
  }
  return false;
}

std::optional<x86::ArrayNest> ModuleArrays::around(uint64_t address) {
  if (!complete_ || !is_written(address)) return std::nullopt;
  std::vector<x86::ArrayLevel> levels;
  uint32_t unknown_within = 0;
  bool is_found = false;
  for (Variable& variable : variables_) {
    if (address < variable.begin) continue;
    const uint64_t offset = address - variable.begin;
    const uint64_t size = size_of(&variable.type, 0);
    // What has no known size is taken to end where it begins, or it would be everywhere.
    if (size == 0 ? offset != 0 : offset >= size) continue;
    std::vector<x86::ArrayLevel> its;
    uint32_t unknown = 0;
    if (!arrays_in(variable.type, offset, its, unknown)) return std::nullopt;
    // Two variables, or one that several units know.
    if (is_found && (!are_same(levels, its) || unknown_within != unknown)) return std::nullopt;
    levels = std::move(its);
    unknown_within = unknown;
    is_found = true;
  }
  if (levels.empty()) return std::nullopt;
  x86::ArrayNest nest;
  nest.count = static_cast<uint32_t>(levels.size());
  nest.more_within = unknown_within;
  std::copy(levels.rbegin(), levels.rend(), nest.levels);
  return nest;
}

}  // namespace kebound::report
