// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace kebound::inproc_run {

// Where the preload library is installed: a folder with one folder for each value of the loader's
// $LIB. Empty if there is none beside this program. `libdir`: of the installation, relative to its
// prefix ("lib/x86_64-linux-gnu"). Context: any thread.
[[nodiscard]] std::string find_preload_folder(const std::string& libdir);
// What LD_PRELOAD gets for it.
[[nodiscard]] std::string preload_path(const std::string& folder);

// Why a program cannot have the library.
struct Misfit {
  std::string why;
  std::string remedy;
};

// Nothing if the loader will load the library into `program` (looked up in PATH), or if there is no
// such program, which is for others to say. Scripts are judged by their interpreters. Reads the
// file and believes nothing in it. Context: any thread.
[[nodiscard]] std::optional<Misfit> find_misfit(const std::string& program,
                                                const std::string& folder);

}  // namespace kebound::inproc_run
