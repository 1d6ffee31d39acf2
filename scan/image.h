// SPDX-License-Identifier: Apache-2.0
//
// A program or library as a file, the way scanning needs it: its code, its functions, their names,
// and what its calls lead to. Works without section headers, symbols and debug information, with
// less to say. The file is hostile.
#pragma once

#include <stdint.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "report/elf_file.h"
#include "trap/elf/unwind_table.h"
#include "trap/memory_reader.h"
#include "trap/x86/code_range.h"
#include "trap/x86/instruction.h"

namespace kebound::scan {

using x86::CodeMode;
using x86::CodeRange;

// Why a file is not scanned.
struct Refusal {
  bool not_found = false;
  std::string why;
  std::string remedy;
};

struct Function {
  CodeRange range;
  std::string symbol;  // as the linker knows it; empty where no symbol table says
};

// A piece of code that is scanned: an executable section, or a segment where there are no sections.
struct Region {
  CodeRange range;
  std::string name;    // ".text"; empty for a segment
  bool stubs = false;  // .plt and its like: made by the linker, not by a compiler
};

// Addresses are the file's own.
class Image {
 public:
  // Null after filling `refusal`.
  static std::unique_ptr<Image> open(const std::string& path, Refusal& refusal);
  static std::unique_ptr<Image> from_bytes(std::vector<uint8_t> bytes, Refusal& refusal);

  [[nodiscard]] CodeMode mode() const { return mode_; }
  [[nodiscard]] bool is_position_independent() const { return position_independent_; }
  [[nodiscard]] bool has_unwind_table() const { return unwind_.function_count > 0; }
  [[nodiscard]] bool has_symbols() const { return has_symbols_; }
  // Its own, or that of a separate debug file.
  [[nodiscard]] bool has_debug_info() const { return has_debug_info_; }
  [[nodiscard]] const report::ElfFile& file() const { return *file_; }
  [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
  // In the order of their addresses, without overlap.
  [[nodiscard]] const std::vector<Function>& functions() const { return functions_; }
  // Around `address`, null if none is known.
  [[nodiscard]] const Function* function_at(uint64_t address) const;
  [[nodiscard]] const elf::Image& unwind() const { return unwind_; }

  // What is in the file from `address` on, as far as it is in one piece; empty if nothing is.
  [[nodiscard]] std::span<const uint8_t> bytes_at(uint64_t address) const;
  // Valid as long as this object.
  [[nodiscard]] MemoryReader reader() const;

  // The symbol of the function that a direct call to `target` reaches, by way of the procedure
  // linkage table too; empty if unknown.
  [[nodiscard]] std::string_view callee(uint64_t target) const;
  // The same for a call through a pointer that the loader fills (-fno-plt).
  [[nodiscard]] std::string_view callee_through(const x86::Operand& pointer) const;

 private:
  Image() = default;
  bool load(Refusal& refusal);
  void read_debug_file(const std::string& path);
  void read_regions();
  void read_symbols();
  void read_symbol_table(const report::ElfFile& file, std::string_view symbols,
                         std::string_view strings);
  void read_imports();
  void read_relocations(uint64_t address, uint64_t size, bool with_addend);
  void find_functions();
  [[nodiscard]] std::string_view dynamic_name(uint64_t symbol) const;

  struct Symbol {
    std::string name;
    uint64_t size = 0;
    bool global = false;
  };
  struct Dynamic {
    uint64_t symbols = 0;
    uint64_t strings = 0;
    uint64_t strings_size = 0;
    uint64_t plt_got = 0;
  };

  std::shared_ptr<const report::ElfFile> file_;
  CodeMode mode_ = CodeMode::Bits64;
  bool position_independent_ = false;
  bool has_symbols_ = false;
  bool has_debug_info_ = false;
  elf::Image unwind_;
  std::vector<Region> regions_;
  std::vector<Function> functions_;
  std::map<uint64_t, Symbol> symbols_;  // functions, by address
  Dynamic dynamic_;
  std::map<uint64_t, std::string> slots_;  // pointers that the loader fills, by address
  mutable std::map<uint64_t, std::string_view> callees_;
};

}  // namespace kebound::scan
