// SPDX-License-Identifier: Apache-2.0
//
// The symbols and debug information of one ELF file, through libdwfl. Walks DIEs itself, with
// limits: libdw's own scope functions recurse as deep as the file says.
#pragma once

#include <elfutils/libdwfl.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/elf_file.h"
#include "report/function_index.h"
#include "report/location.h"
#include "report/module_arrays.h"
#include "trap/x86/function_facts.h"

namespace kebound::report {

// Opens `file`'s bytes as libelf sees them; null if it refuses. The bytes must outlive the result.
struct ElfCloser {
  void operator()(Elf* elf) const noexcept { elf_end(elf); }
};
using ScopedElf = std::unique_ptr<Elf, ElfCloser>;
[[nodiscard]] ScopedElf open_elf(const ElfFile& file);

struct DwflCloser {
  void operator()(Dwfl* dwfl) const noexcept { dwfl_end(dwfl); }
};
using ScopedDwfl = std::unique_ptr<Dwfl, DwflCloser>;

// Of a subprogram or an inlined one; empty if it has none.
[[nodiscard]] std::string function_name(Dwarf_Die* die);
// A file name as it is in frames: with the unit's directory where it is relative.
[[nodiscard]] std::string absolute_name(std::string file, Dwarf_Die* unit);

class ModuleSymbols {
 public:
  // `open_path`, `target_path`: where its debug file is looked for.
  ModuleSymbols(std::shared_ptr<const ElfFile> file, std::string open_path, std::string target_path,
                std::string debug_path);
  ModuleSymbols(const ModuleSymbols&) = delete;
  ModuleSymbols& operator=(const ModuleSymbols&) = delete;
  ~ModuleSymbols();

  // The functions at the file's own address, innermost first. Without the symbol table it is much
  // faster for many addresses, and some names are missing or not in full.
  [[nodiscard]] std::vector<SourceFrame> frames_at(uint64_t address, bool use_symbols = true);
  // Which names are looked for. A null function stands for none, of either kind.
  struct NameFilter {
    std::function<bool(const std::string&)> function;
    std::function<bool(const std::string&)> file;
    bool all = false;  // every name
  };
  // Addresses, ascending, between which frames_at() is always the same as far as those names are
  // concerned: code that has nothing to do with them is not looked at.
  [[nodiscard]] std::vector<uint64_t> boundaries(const NameFilter& filter);
  // The arrays around the file's own address (module_arrays.h).
  [[nodiscard]] std::optional<x86::ArrayNest> arrays_at(uint64_t address);
  // The function that begins at the file's own address (module_functions.h).
  [[nodiscard]] std::optional<x86::FunctionFacts> function_at(uint64_t address);
  // The symbol table's names, demangled, ascending, each with all addresses that may be its.
  struct Symbol {
    uint64_t begin = 0;
    uint64_t end = 0;
    std::string name;
  };
  [[nodiscard]] std::vector<Symbol> symbols();

 private:
  static int find_elf(Dwfl_Module*, void** userdata, const char*, Dwarf_Addr, char**, Elf** elf);
  static int find_debuginfo(Dwfl_Module*, void** userdata, const char*, Dwarf_Addr, const char*,
                            const char*, GElf_Word, char**);
  static const Dwfl_Callbacks kCallbacks;

  bool add_debug_frames(uint64_t address, std::vector<SourceFrame>& frames);

  std::shared_ptr<const ElfFile> file_;
  std::string open_path_;
  std::string target_path_;
  std::string debug_path_;
  ScopedDwfl dwfl_;
  Dwfl_Module* module_ = nullptr;
  std::optional<FunctionIndex> index_;  // wherever there is a module
  std::optional<ModuleArrays> arrays_;  // read when one is asked for
};

}  // namespace kebound::report
