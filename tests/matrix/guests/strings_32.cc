// SPDX-License-Identifier: Apache-2.0
//
// Debian has no 32-bit libc++. Its headers do for what the guests use; what they leave to the
// library of std::string is instantiated here, the rest (new, exceptions) comes from libstdc++, by
// the same names.
#include <new>
#include <string>

template class std::basic_string<char>;

namespace std {
bad_alloc::bad_alloc() noexcept {}
bad_array_new_length::bad_array_new_length() noexcept {}
}  // namespace std
