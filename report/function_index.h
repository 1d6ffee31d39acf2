// SPDX-License-Identifier: Apache-2.0
//
// Which units and functions of a module's debug information have the code at an address. What was
// walked once is remembered: many addresses of a unit cost one walk through it.
#pragma once

#include <elfutils/libdwfl.h>

#include <map>
#include <vector>

namespace kebound::report {

// Entries by their code. Of two that claim the same, the first one has it.
class DieRanges {
 public:
  // False where there is no room for more: an entry may have any number of ranges.
  bool add(Dwarf_Die* die);
  // Null where nothing is known. Valid until clear().
  [[nodiscard]] Dwarf_Die* find(Dwarf_Addr pc);
  [[nodiscard]] size_t size() const { return ranges_.size(); }

 private:
  struct Range {
    Dwarf_Addr end = 0;
    Dwarf_Die die = {};
  };
  std::map<Dwarf_Addr, Range> ranges_;  // by begin
};

class FunctionIndex {
 public:
  explicit FunctionIndex(Dwfl_Module* module) : module_(module) {}

  // The unit around the file's own address; the file's addresses less `bias` are the unit's.
  [[nodiscard]] Dwarf_Die* unit_at(Dwarf_Addr address, Dwarf_Addr* bias);
  // The functions around `pc`, outermost first: the subprogram and what is inlined in it.
  [[nodiscard]] std::vector<Dwarf_Die> functions_around(Dwarf_Die* unit, Dwarf_Addr pc);

 private:
  DieRanges& functions_of(Dwarf_Die* unit);

  Dwfl_Module* const module_;
  DieRanges units_;
  Dwarf_Addr bias_ = 0;  // of the units
  bool has_units_ = false;
  std::map<const void*, DieRanges> functions_;  // by unit
  size_t remembered_ = 0;                       // ranges, in `functions_`
};

}  // namespace kebound::report
