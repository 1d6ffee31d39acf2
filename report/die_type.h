// SPDX-License-Identifier: Apache-2.0
//
// What the entries of debug information have in common that describe types, or have one.
#pragma once

#include <elfutils/libdw.h>
#include <stdint.h>

#include <optional>

namespace kebound::report {

// Sizes, counts and offsets beyond this are nonsense.
inline constexpr uint64_t kMaxSize = uint64_t{1} << 40;

// Of an attribute; nothing where there is none, or it is no constant, or nonsense.
[[nodiscard]] std::optional<uint64_t> number(Dwarf_Die* die, unsigned name);

// What the entry's type is, behind other names for it and qualifiers.
[[nodiscard]] bool type_of(Dwarf_Die* die, Dwarf_Die& type);

}  // namespace kebound::report
