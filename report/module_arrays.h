// SPDX-License-Identifier: Apache-2.0
//
// The variables of one ELF file that have a fixed address, by its debug information, and which
// arrays lie where in them.
#pragma once

#include <elfutils/libdwfl.h>

#include <optional>
#include <vector>

#include "trap/x86/array_type.h"

namespace kebound::report {

class ModuleArrays {
 public:
  // Reads all of the module's debug information, up to a limit; beyond that nothing is known.
  explicit ModuleArrays(Dwfl_Module* module);

  // The arrays around the file's own address, in a section that is written to: constants of the
  // same content may share their place. Nothing where variables that lie there do not agree on
  // them; what is in a union is not known.
  [[nodiscard]] std::optional<x86::ArrayNest> around(uint64_t address);

 private:
  struct Variable {
    uint64_t begin = 0;
    Dwarf_Die type = {};
  };
  void add_unit(Dwarf_Die* unit, Dwarf_Addr bias);
  void add(Dwarf_Die* die, Dwarf_Addr bias);
  [[nodiscard]] bool is_written(uint64_t address) const;

  Dwfl_Module* const module_;
  std::vector<Variable> variables_;
  size_t entries_ = 0;  // looked at
  bool complete_ = true;
};

}  // namespace kebound::report
