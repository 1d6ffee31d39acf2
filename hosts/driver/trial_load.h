// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace kebound::driver {

// Loads the file in a child process first: a damaged file can make the dynamic loader itself crash,
// or hang. Constructors of the file run in the child, too. False and `why` when the child did not
// survive it.
[[nodiscard]] bool trial_load(const std::string& path, std::string& why);

}  // namespace kebound::driver
