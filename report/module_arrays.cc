// SPDX-License-Identifier: Apache-2.0
#include "report/module_arrays.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>

#include "report/die_path.h"
#include "report/die_type.h"

namespace kebound::report {
namespace {

constexpr size_t kMaxEntries = 4'000'000;  // of all units
constexpr size_t kMaxVariables = 1'000'000;
constexpr size_t kMaxUnits = 200'000;
constexpr size_t kMaxDepth = 128;
constexpr unsigned kMaxNesting = 8;     // structures in structures
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

// Of an array's type; false for one of arrays, or of unknown length.
bool read_array(Dwarf_Die* type, x86::ArrayType& array) {
  Dwarf_Die child;
  Dwarf_Die element;
  if (dwarf_child(type, &child) != 0 || dwarf_tag(&child) != DW_TAG_subrange_type) return false;
  if (!type_of(type, element) || dwarf_tag(&element) == DW_TAG_array_type) return false;
  Dwarf_Die next;
  if (dwarf_siblingof(&child, &next) == 0) return false;
  const auto lower = number(&child, DW_AT_lower_bound);
  const auto upper = number(&child, DW_AT_upper_bound);
  const auto count = number(&child, DW_AT_count);
  if (lower.value_or(0) != 0 || (!upper && !count)) return false;
  array.count = count ? *count : *upper + 1;
  array.element_size = plain_size(&element);
  return array.count != 0 && array.element_size != 0 &&
         array.count <= kMaxSize / array.element_size;
}

// Bytes; 0: not known. An array of arrays counts as one whose size is not.
uint64_t size_of(Dwarf_Die* type) {
  if (dwarf_tag(type) != DW_TAG_array_type) return plain_size(type);
  if (const auto size = number(type, DW_AT_byte_size)) return *size;
  x86::ArrayType array;
  return read_array(type, array) ? array.count * array.element_size : 0;
}

// The one member of the structure that has the byte at `offset`, which becomes that in the member.
// False where there is none, or its size is not known, or that of one that lies before.
bool find_member(Dwarf_Die* structure, uint64_t& offset, Dwarf_Die& type) {
  Dwarf_Die member;
  if (dwarf_child(structure, &member) != 0) return false;
  bool found = false;
  uint64_t within = 0;
  for (unsigned i = 0; i < kMaxMembers; ++i) {
    const int tag = dwarf_tag(&member);
    if (tag == DW_TAG_inheritance || tag == DW_TAG_variant_part) return false;
    const bool is_static = dwarf_hasattr(&member, DW_AT_external) != 0;
    if (tag == DW_TAG_member && !is_static) {
      const auto at = number(&member, DW_AT_data_member_location);
      Dwarf_Die its;
      if (!at || !type_of(&member, its)) return false;
      const uint64_t size = size_of(&its);
      const bool is_around = *at <= offset && (size == 0 || offset - *at < size);
      if (is_around && (found || (size == 0 && dwarf_tag(&its) != DW_TAG_array_type))) return false;
      // An array of arrays that may end before.
      if (is_around && size == 0 && *at == offset) return false;
      if (is_around && size != 0) {
        found = true;
        within = offset - *at;
        type = its;
      }
    }
    if (dwarf_siblingof(&member, &member) != 0) {
      offset = within;
      return found;
    }
  }
  return false;
}

std::optional<x86::ArrayType> array_in(Dwarf_Die type, uint64_t offset) {
  for (unsigned i = 0; i < kMaxNesting; ++i) {
    x86::ArrayType array;
    switch (dwarf_tag(&type)) {
      case DW_TAG_array_type:
        if (offset != 0 || !read_array(&type, array)) return std::nullopt;
        return array;
      case DW_TAG_structure_type:
      case DW_TAG_class_type: {
        Dwarf_Die member;
        if (!find_member(&type, offset, member)) return std::nullopt;
        type = member;
        break;
      }
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
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

std::optional<x86::ArrayType> ModuleArrays::at(uint64_t address) {
  if (!complete_ || !is_written(address)) return std::nullopt;
  std::optional<x86::ArrayType> found;
  for (Variable& variable : variables_) {
    if (address < variable.begin) continue;
    const uint64_t offset = address - variable.begin;
    const uint64_t size = size_of(&variable.type);
    // What has no known size is taken to end where it begins, or it would be everywhere.
    if (size == 0 ? offset != 0 : offset >= size) continue;
    const auto array = array_in(variable.type, offset);
    if (!array) return std::nullopt;
    if (found && (found->count != array->count || found->element_size != array->element_size)) {
      return std::nullopt;
    }
    found = array;
  }
  return found;
}

}  // namespace kebound::report
