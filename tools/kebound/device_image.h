// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include <optional>
#include <string>

namespace kebound::tool {

// /dev/kebound says where an instruction is in its file; reports want to know where its file is in
// memory. Given the address of an instruction and what to subtract from it to have its place in the
// file, returns what to add to the file's own (ELF) addresses. Nothing where the file cannot be
// read, is no ELF file, or has no segment with that place. The file is whatever is there now:
// hostile.
[[nodiscard]] std::optional<uint64_t> load_bias(const std::string& path, uint64_t address,
                                                uint64_t file_bias);

}  // namespace kebound::tool
