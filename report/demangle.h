// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kebound::report {

// The C++ name behind an Itanium-mangled symbol; the symbol itself if it is none, or if it is so
// built that its name would be absurdly long (a few hundred bytes can expand to gigabytes).
// Context: any thread, not in a signal handler.
[[nodiscard]] std::string demangle(const char* symbol);

}  // namespace kebound::report
