// SPDX-License-Identifier: Apache-2.0
//
// What an ELF file and its debug information say of a function: who compiled it, who may call it,
// which numbers it is given in registers.
#pragma once

#include <elfutils/libdwfl.h>

#include <string_view>

#include "trap/x86/function_facts.h"

namespace kebound::report {

// By the symbols of functions at `address`, all of which have to be those of other files' as well:
// a linker that folds functions of the same code gives a local one the address of a global one.
[[nodiscard]] x86::Linkage linkage_of(Dwfl_Module* module, uint64_t address);

// DW_AT_producer of the unit; empty if it has none. Lives as long as the unit.
[[nodiscard]] std::string_view producer_of(Dwarf_Die* unit);
// Compiler, version, and checks. Of a producer that is not known to be one of them, or to count its
// versions as they do, that stays unknown.
void read_producer(std::string_view producer, x86::FunctionFacts& facts);

// The integers that the subprogram is given in general registers when it begins, at `entry` in the
// unit's own addresses. None if it begins elsewhere.
void read_parameters(Dwarf_Die* subprogram, Dwarf_Addr entry, x86::FunctionFacts& facts);

}  // namespace kebound::report
