// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kebound::posix {

// A file of /proc, whose size is not known before it is read. Empty when it is gone.
[[nodiscard]] std::string read_proc_file(const std::string& path);

}  // namespace kebound::posix
