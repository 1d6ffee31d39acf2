// SPDX-License-Identifier: Apache-2.0
//
// Patterns for names. '*' stands for any characters, none too, '?' for one; a backslash takes the
// meaning from what follows. No sets: '[' is common in the names of C++ functions.
#pragma once

#include <stddef.h>

#include <string_view>

namespace kebound::rules {

// Longer names match nothing: they come from files that may be hostile, and time grows with the
// product of both lengths.
inline constexpr size_t kMaxGlobSubject = 65'536;

// Whether all of `name` matches. Context: anywhere, signal handlers too: nothing is allocated.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view name) noexcept;

// For paths: a pattern with a '/' is matched against the whole path, any other against the last
// component.
[[nodiscard]] bool glob_match_path(std::string_view pattern, std::string_view path) noexcept;

// False: it ends in a backslash that takes the meaning from nothing.
[[nodiscard]] bool is_valid_glob(std::string_view pattern) noexcept;

}  // namespace kebound::rules
