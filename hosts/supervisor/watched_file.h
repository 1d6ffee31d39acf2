// SPDX-License-Identifier: Apache-2.0
//
// The functions of an ELF file that a breakpoint is wanted at.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "trap/calls/call_source.h"

namespace kebound::supervisor {

// A function of the file. Offsets are those of its bytes in the file.
struct WatchedFunction {
  enum class Kind : uint8_t {
    Source,     // reports a failed check when it is called: `source`
    Refusal,    // __chk_fail: the end of every fortified function that refuses
    Fortified,  // one of those; no breakpoint, but its calls of Refusal are its own
    Loader,     // the dynamic linker calls it whenever its list of modules has changed
  };
  Kind kind = Kind::Source;
  uint64_t offset = 0;
  uint64_t size = 0;  // 0: not said
  const calls::CallSource* source = nullptr;
};

struct WatchedFile {
  bool is_64bit = false;
  std::vector<WatchedFunction> functions;  // sorted by offset, each once
};

// What `path` has of them, from its symbol tables: the dynamic one, and the full one where it was
// not stripped. Empty for what is no ELF file of this machine's. Context: may block on the file.
[[nodiscard]] WatchedFile read_watched_file(const std::string& path, calls::FamilySet families);

// The name that the dynamic linker looks up for the word at `slot`, an address as in the file: of
// the imported function that a linkage table's entry is for. Empty where there is none.
[[nodiscard]] std::string name_of_slot(const std::string& path, uint64_t slot);

// What is added to the addresses in the file when its byte `offset` is at `address` in memory.
// False where no segment has that byte.
[[nodiscard]] bool load_bias(const std::string& path, uint64_t offset, uint64_t address,
                             uint64_t& bias);

}  // namespace kebound::supervisor
