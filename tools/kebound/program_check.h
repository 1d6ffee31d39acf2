// SPDX-License-Identifier: Apache-2.0
//
// Why a program could not be executed, in words. Asked only after the kernel refused: its answer is
// what counts (binfmt_misc may run what looks foreign), but "Exec format error" alone helps nobody.
#pragma once

#include <optional>
#include <string>

namespace kebound::tool {

struct Explanation {
  bool not_found = false;  // status 127, else 126
  std::string why;
  std::string remedy;
};

// `program` as given: looked up in `search_path` (the value of PATH, null if unset) when it has no
// slash. Reads the file and believes nothing in it. Nothing if the file shows no reason. Context:
// any thread.
[[nodiscard]] std::optional<Explanation> explain_program(const std::string& program,
                                                         const char* search_path);

}  // namespace kebound::tool
