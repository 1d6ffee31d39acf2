// SPDX-License-Identifier: Apache-2.0
//
// Reads a driver's file before the dynamic loader does, so that what is wrong with it is named. The
// file is hostile.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "hosts/driver/native_driver.h"

namespace kebound::driver {

struct ElfSymbol {
  uint64_t value = 0;  // link-time address
  uint64_t size = 0;
  std::string name;
};

struct ElfFacts {
  std::vector<std::string> imports;  // undefined symbols that must be there
  std::vector<std::string> needed;   // DT_NEEDED
  bool exports_driver_entry = false;
  uint32_t loader_flags = 0;  // of the note that kebound_add_driver(... INTEGRITYCHECK) writes
  std::vector<ElfSymbol>
      functions;  // from .symtab, or .dynsym where that was stripped; for names in reports
};

// False and `error` filled when the file is no x86-64 ELF shared object. Context: any thread.
[[nodiscard]] bool read_elf(const std::string& path, ElfFacts& facts, LoadError& error);

}  // namespace kebound::driver
