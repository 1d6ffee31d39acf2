// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "report/elf_file.h"

namespace kebound::report {

// The kernel's vdso as the targets see it, if its mapping is `mapping_size` bytes. The 64-bit one
// is our own; the 32-bit one is what the kernel package installed, null where it did not.
[[nodiscard]] std::shared_ptr<const ElfFile> vdso_file(bool is_64bit, uint64_t mapping_size);

}  // namespace kebound::report
