// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

#include <string_view>

namespace kebound::nt {

// What drivers can import, made from exports.def at build time; sorted by name.
struct Export {
  const char* name;
  const void* address;
};
extern const Export kExports[];
extern const size_t kExportCount;

// Null if there is none of that name. Context: any thread.
[[nodiscard]] const void* find_export(std::string_view name) noexcept;

}  // namespace kebound::nt
