// SPDX-License-Identifier: Apache-2.0
#include "report/die_type.h"

#include <dwarf.h>

namespace kebound::report {
namespace {

constexpr unsigned kMaxNames = 32;  // of a type, one for another

}  // namespace

std::optional<uint64_t> number(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (dwarf_attr(die, name, &attribute) == nullptr || dwarf_formudata(&attribute, &value) != 0) {
    return std::nullopt;
  }
  return value < kMaxSize ? std::optional<uint64_t>(value) : std::nullopt;
}

// What the entry's type is, behind other names for it and qualifiers.
bool type_of(Dwarf_Die* die, Dwarf_Die& type) {
  Dwarf_Die from = *die;
  for (unsigned i = 0; i < kMaxNames; ++i) {
    Dwarf_Attribute attribute;
    if (dwarf_attr_integrate(&from, DW_AT_type, &attribute) == nullptr ||
        dwarf_formref_die(&attribute, &type) == nullptr) {
      return false;
    }
    switch (dwarf_tag(&type)) {
      case DW_TAG_typedef:
      case DW_TAG_const_type:
      case DW_TAG_volatile_type:
      case DW_TAG_restrict_type:
      case DW_TAG_atomic_type:
        from = type;
        break;
      default:
        return true;
    }
  }
  return false;
}

}  // namespace kebound::report
