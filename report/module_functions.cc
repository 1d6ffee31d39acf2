// SPDX-License-Identifier: Apache-2.0
#include "report/module_functions.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <string.h>

#include <charconv>
#include <optional>

#include "report/die_type.h"
#include "trap/x86/registers.h"

namespace kebound::report {
namespace {

constexpr int kMaxSymbols = 4'000'000;
constexpr unsigned kMaxChildren = 4096;  // of a function
constexpr size_t kMaxProducer = 4096;

// DWARF's numbers of the general registers: the first eight are in another order each.
constexpr uint8_t kRegisters64[] = {x86::Rax, x86::Rdx, x86::Rcx, x86::Rbx,
                                    x86::Rsi, x86::Rdi, x86::Rbp, x86::Rsp};
constexpr uint8_t kRegisters32[] = {x86::Rax, x86::Rcx, x86::Rdx, x86::Rbx,
                                    x86::Rsp, x86::Rbp, x86::Rsi, x86::Rdi};

std::optional<uint8_t> general_register(uint64_t number, bool is_64bit) {
  if (number < 8) return is_64bit ? kRegisters64[number] : kRegisters32[number];
  if (is_64bit && number < 16) return static_cast<uint8_t>(number);
  return std::nullopt;
}

// The register that the parameter is in at `entry`, and all of it.
std::optional<uint8_t> register_of(Dwarf_Die* parameter, Dwarf_Addr entry, bool is_64bit) {
  Dwarf_Attribute location;
  Dwarf_Op* operations = nullptr;
  size_t count = 0;
  if (dwarf_attr(parameter, DW_AT_location, &location) == nullptr ||
      dwarf_getlocation_addr(&location, entry, &operations, &count, 1) != 1 || count != 1) {
    return std::nullopt;
  }
  const uint8_t atom = operations[0].atom;
  if (atom == DW_OP_regx) return general_register(operations[0].number, is_64bit);
  if (atom < DW_OP_reg0 || atom > DW_OP_reg31) return std::nullopt;
  return general_register(atom - unsigned{DW_OP_reg0}, is_64bit);
}

// Where it begins; of a function in several pieces that of the first, which is the one that is
// called.
std::optional<Dwarf_Addr> entry_of(Dwarf_Die* subprogram) {
  Dwarf_Addr begin = 0;
  Dwarf_Addr base = 0;
  Dwarf_Addr end = 0;
  if (dwarf_entrypc(subprogram, &begin) == 0) return begin;
  if (dwarf_ranges(subprogram, 0, &base, &begin, &end) <= 0) return std::nullopt;
  return begin;
}

x86::RegisterParameter integer_of(Dwarf_Die* parameter) {
  Dwarf_Die type;
  Dwarf_Attribute attribute;
  Dwarf_Word encoding = 0;
  if (!type_of(parameter, type) || dwarf_tag(&type) != DW_TAG_base_type ||
      dwarf_attr(&type, DW_AT_encoding, &attribute) == nullptr ||
      dwarf_formudata(&attribute, &encoding) != 0) {
    return {};
  }
  const bool is_signed = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
  if (!is_signed && encoding != DW_ATE_unsigned && encoding != DW_ATE_unsigned_char) return {};
  const auto bytes = number(&type, DW_AT_byte_size);
  // An integer of other widths is kept in more bits than it has.
  if (!bytes || *bytes == 0 || *bytes > 8 || dwarf_hasattr(&type, DW_AT_bit_size)) return {};
  return {static_cast<uint8_t>(*bytes * 8), is_signed};
}

// The first number of a version; 0 where there is none.
uint16_t first_number(std::string_view text) {
  uint16_t version = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), version);
  return end.ec == std::errc() ? version : uint16_t{0};
}

// "GNU C++17 12.2.0 -mtune=generic -O2 ...": language, version, and how it was called. Other
// programs of GNU begin like that, too: "GNU AS 2.40".
void read_gnu(std::string_view rest, x86::FunctionFacts& facts) {
  if (!rest.starts_with("C") && !rest.starts_with("GIMPLE ")) return;
  const size_t space = rest.find(' ');
  if (space == std::string_view::npos) return;
  facts.compiler = x86::Compiler::Gcc;
  facts.version = first_number(rest.substr(space + 1));
  const bool is_whole = !rest.starts_with("GIMPLE ") && rest.find(" -") != std::string_view::npos;
  // Without any words it was told not to say them; after link-time optimization they are others'.
  if (!is_whole) return;
  bool checks = false;
  bool traps = false;
  while (!rest.empty()) {
    const size_t end = rest.find(' ');
    const std::string_view word = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    checks |= word.starts_with("-fsanitize=") && (word.find("bounds") != std::string_view::npos ||
                                                  word.find("undefined") != std::string_view::npos);
    traps |= word == "-fsanitize-undefined-trap-on-error" || word.starts_with("-fsanitize-trap");
  }
  facts.checks = checks && traps ? x86::IndexChecks::Yes : x86::IndexChecks::No;
}

}  // namespace

x86::Linkage linkage_of(Dwfl_Module* module, uint64_t address) {
  const int count = dwfl_module_getsymtab(module);
  x86::Linkage linkage = x86::Linkage::Unknown;
  if (count > kMaxSymbols) return linkage;
  for (int i = 1; i < count; ++i) {
    GElf_Sym symbol{};
    GElf_Addr at = 0;
    if (dwfl_module_getsym_info(module, i, &symbol, &at, nullptr, nullptr, nullptr) == nullptr ||
        at != address || symbol.st_shndx == SHN_UNDEF) {
      continue;
    }
    const unsigned type = GELF_ST_TYPE(symbol.st_info);
    if (type != STT_FUNC && type != STT_GNU_IFUNC) continue;
    const unsigned binding = GELF_ST_BIND(symbol.st_info);
    const bool is_global = type == STT_FUNC && (binding == STB_GLOBAL || binding == STB_WEAK ||
                                                binding == STB_GNU_UNIQUE);
    if (!is_global) return x86::Linkage::Local;
    linkage = x86::Linkage::Global;
  }
  return linkage;
}

std::string_view producer_of(Dwarf_Die* unit) {
  Dwarf_Attribute attribute;
  if (dwarf_attr(unit, DW_AT_producer, &attribute) == nullptr) return {};
  const char* const text = dwarf_formstring(&attribute);
  return text == nullptr ? std::string_view() : std::string_view(text, strnlen(text, kMaxProducer));
}

void read_producer(std::string_view producer, x86::FunctionFacts& facts) {
  if (producer.starts_with("GNU ")) return read_gnu(producer.substr(4), facts);
  constexpr std::string_view kVersion = "clang version ";
  // Others count otherwise: Apple's 15 is about 16 here. Languages that use the optimizer say
  // "clang", too, and a version of their own.
  for (const std::string_view vendor : {"", "Debian ", "Ubuntu ", "Alpine ", "FreeBSD "}) {
    if (!producer.starts_with(vendor)) continue;
    if (!producer.substr(vendor.size()).starts_with(kVersion)) continue;
    facts.compiler = x86::Compiler::Clang;
    facts.version = first_number(producer.substr(vendor.size() + kVersion.size()));
    return;
  }
  if (producer.find("clang") != std::string_view::npos) facts.compiler = x86::Compiler::Clang;
}

void read_parameters(Dwarf_Die* subprogram, Dwarf_Addr entry, x86::FunctionFacts& facts) {
  Dwarf_Die unit;
  Dwarf_Die child;
  uint8_t address_size = 0;
  if (entry_of(subprogram) != entry ||
      dwarf_diecu(subprogram, &unit, &address_size, nullptr) == nullptr ||
      dwarf_child(subprogram, &child) != 0) {
    return;
  }
  uint32_t seen = 0;
  for (unsigned i = 0; i < kMaxChildren; ++i) {
    if (dwarf_tag(&child) == DW_TAG_formal_parameter) {
      if (const auto place = register_of(&child, entry, address_size == 8)) {
        // Two cannot be in one.
        const uint32_t bit = uint32_t{1} << *place;
        facts.parameters[*place] =
            (seen & bit) != 0 ? x86::RegisterParameter() : integer_of(&child);
        seen |= bit;
      }
    }
    if (dwarf_siblingof(&child, &child) != 0) return;
  }
}

}  // namespace kebound::report
