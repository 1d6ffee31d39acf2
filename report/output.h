// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace kebound::report {

// Writes all of it, waiting where the descriptor does not block. 0, or the errno of what went
// wrong.
[[nodiscard]] int write_all(int fd, std::string_view text);

}  // namespace kebound::report
