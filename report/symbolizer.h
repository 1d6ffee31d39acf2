// SPDX-License-Identifier: Apache-2.0
//
// From a code address to function, file and line, with elfutils. Everything is cached: by map
// generation, and below that by file, since many generations share their files.
#pragma once

#include <stdint.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "events/record.h"
#include "report/elf_file.h"
#include "report/location.h"
#include "trap/x86/array_type.h"
#include "trap/x86/function_facts.h"

namespace kebound::report {

class ModuleSymbols;

// Not thread-safe: the writer's own.
class Symbolizer {
 public:
  explicit Symbolizer(std::string debug_path = "/usr/lib/debug");
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;
  ~Symbolizer();

  // What is at `address`; with `is_return_address`, what the call before it belongs to (the offset
  // is still that of `address`). Missing, changed, malformed and oversized files give a Location
  // without frames, never an error. Where the mapping says which build it was, and the file is
  // another, only the debug file of that build has names.
  [[nodiscard]] Location locate(const events::ModuleMap& modules, uint64_t address,
                                bool is_return_address = false);

  // The arrays in the file's writable data around `address`; nothing where that is not certain.
  [[nodiscard]] std::optional<x86::ArrayNest> arrays_at(const events::ModuleMap& modules,
                                                        uint64_t address);

  // What the file says of the function that begins at `address`.
  [[nodiscard]] std::optional<x86::FunctionFacts> function_at(const events::ModuleMap& modules,
                                                              uint64_t address);

  // The checked copy of the file behind a mapping; null if there is none, or it is another build
  // than the mapping's.
  [[nodiscard]] std::shared_ptr<const ElfFile> file_of(const events::ModuleMap& modules,
                                                       const events::Mapping& mapping);

 private:
  struct Module;
  // The module at `address`, which becomes the file's own; null if there is none.
  Module* module_around(const events::ModuleMap& modules, uint64_t& address);
  Module* module_of(const events::ModuleMap& modules, const events::Mapping& mapping);
  // Of a file that is not there any more, by its debug file; null if there is none.
  Module* module_of_build(const events::ModuleMap& modules, const events::Mapping& mapping);

  std::string debug_path_;
  ElfCache files_;
  std::map<FileId, std::unique_ptr<Module>> modules_;
  std::map<std::pair<std::string, bool>, std::unique_ptr<Module>> builds_;  // by ID and class
  // The mapping's file, resolved once per generation; of the last generation only.
  uint64_t generation_ = ~uint64_t{0};
  std::unordered_map<const events::Mapping*, FileId> identities_;
  uint64_t clock_ = 0;
};

// The mapping that contains `address`, null if none does.
[[nodiscard]] const events::Mapping* find_mapping(const events::ModuleMap& modules,
                                                  uint64_t address) noexcept;
// The mapping of the file whose variables are at `address`; those that begin as zero may lie behind
// it. Null if there is none. Only the file knows how far they reach.
[[nodiscard]] const events::Mapping* find_data_mapping(const events::ModuleMap& modules,
                                                       uint64_t address) noexcept;
// A build ID as people write it.
[[nodiscard]] std::string hexadecimal(std::string_view build_id);
// True for mappings of files (and the vdso), false for "[stack]", anonymous memory and the like.
[[nodiscard]] bool is_module(const events::Mapping& mapping) noexcept;

}  // namespace kebound::report
