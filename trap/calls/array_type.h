// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kebound::calls {

// The length of the array that a compiler names so: 10 for `'int[10]'` (clang), `'int [10]'` (gcc),
// `'int (*[10])(char)'`; 3 for `'int[3][4]'`. False where the name does not say it: variable
// lengths, flexible arrays, names that were cut. Context: anywhere.
[[nodiscard]] bool parse_array_length(const char* name, uint64_t& length) noexcept;

}  // namespace kebound::calls
