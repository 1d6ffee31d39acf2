// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdarg.h>
#include <stddef.h>

namespace kebound::nt {

inline constexpr size_t kDebugOutputLimit = 512;

// Formats as DbgPrint does (include/nt/kebound_nt/dbg.h lists what it knows) into `out`, which is
// not zero-terminated; returns the length, at most `size`, cut between UTF-8 characters. Allocates
// nothing and never fails: an unknown conversion is copied as it stands and ends the formatting,
// since its argument's size is not known.
[[nodiscard]] size_t format_debug_output(char* out, size_t size, const char* format,
                                         va_list arguments) noexcept;

}  // namespace kebound::nt
