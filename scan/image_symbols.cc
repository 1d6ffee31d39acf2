// SPDX-License-Identifier: Apache-2.0
//
// Names of functions, and of what calls lead to.
#include <elf.h>
#include <string.h>

#include <algorithm>

#include "scan/image.h"

namespace kebound::scan {
namespace {

constexpr size_t kMaxName = 4096;
constexpr uint64_t kMaxDynamicEntries = 1024;
constexpr size_t kMaxRelocations = 4'000'000;
constexpr unsigned kMaxStubInstructions = 4;

template <typename T>
T value_at(std::span<const uint8_t> bytes, size_t offset) {
  T value{};
  if (offset <= bytes.size() && sizeof value <= bytes.size() - offset) {
    memcpy(&value, bytes.data() + offset, sizeof value);
  }
  return value;
}

std::string_view name_in(std::string_view strings, uint64_t offset) {
  if (offset >= strings.size()) return {};
  strings.remove_prefix(offset);
  return strings.substr(0, strnlen(strings.data(), std::min(strings.size(), kMaxName)));
}

// Both classes' symbols as one.
struct AnySymbol {
  uint32_t name = 0;
  uint64_t value = 0;
  uint64_t size = 0;
  unsigned char info = 0;
  uint16_t section = 0;
};

AnySymbol symbol_of(std::span<const uint8_t> bytes, size_t index, bool elf64) {
  if (elf64) {
    const auto symbol = value_at<Elf64_Sym>(bytes, index * sizeof(Elf64_Sym));
    return {symbol.st_name, symbol.st_value, symbol.st_size, symbol.st_info, symbol.st_shndx};
  }
  const auto symbol = value_at<Elf32_Sym>(bytes, index * sizeof(Elf32_Sym));
  return {symbol.st_name, symbol.st_value, symbol.st_size, symbol.st_info, symbol.st_shndx};
}

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

void Image::read_symbol_table(const report::ElfFile& file, std::string_view symbols,
                              std::string_view strings) {
  const bool elf64 = file.is_64bit();
  const size_t count = symbols.size() / (elf64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
  for (size_t i = 0; i < count; ++i) {
    const AnySymbol symbol = symbol_of(as_bytes(symbols), i, elf64);
    const unsigned type = symbol.info & 15;
    if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.section == SHN_UNDEF) continue;
    const std::string_view name = name_in(strings, symbol.name);
    if (name.empty()) continue;
    const bool global = symbol.info >> 4 != STB_LOCAL;
    Symbol& known = symbols_[symbol.value];
    // Of several names the exported one, then the shorter, is what people know.
    if (!known.name.empty() &&
        (known.global != global ? known.global : known.name.size() <= name.size())) {
      continue;
    }
    known = {std::string(name), symbol.size, global};
    has_symbols_ = true;
  }
}

void Image::read_symbols() {
  read_symbol_table(*file_, file_->section(".symtab"), file_->section(".strtab"));
  const bool complete = has_symbols_;
  read_symbol_table(*file_, file_->section(".dynsym"), file_->section(".dynstr"));
  has_symbols_ = complete;
}

// The loader's table, by the program headers: section headers may be gone.
void Image::read_imports() {
  const bool elf64 = file_->is_64bit();
  const std::span<const uint8_t> bytes = file_->bytes();
  uint64_t table = 0;
  uint64_t size = 0;
  const uint64_t offset =
      elf64 ? value_at<Elf64_Ehdr>(bytes, 0).e_phoff : value_at<Elf32_Ehdr>(bytes, 0).e_phoff;
  const uint16_t count =
      elf64 ? value_at<Elf64_Ehdr>(bytes, 0).e_phnum : value_at<Elf32_Ehdr>(bytes, 0).e_phnum;
  for (uint16_t i = 0; i < count; ++i) {
    if (elf64) {
      const auto segment = value_at<Elf64_Phdr>(bytes, offset + i * sizeof(Elf64_Phdr));
      if (segment.p_type == PT_DYNAMIC) table = segment.p_vaddr, size = segment.p_filesz;
    } else {
      const auto segment = value_at<Elf32_Phdr>(bytes, offset + i * sizeof(Elf32_Phdr));
      if (segment.p_type == PT_DYNAMIC) table = segment.p_vaddr, size = segment.p_filesz;
    }
  }
  const std::span<const uint8_t> entries = bytes_at(table);
  std::map<int64_t, uint64_t> tags;
  const uint64_t entry_size = elf64 ? 16 : 8;
  size = std::min<uint64_t>(size, entries.size());
  for (uint64_t i = 0; i < std::min(size / entry_size, kMaxDynamicEntries); ++i) {
    const int64_t tag =
        elf64 ? value_at<int64_t>(entries, i * 16) : value_at<int32_t>(entries, i * 8);
    const uint64_t value =
        elf64 ? value_at<uint64_t>(entries, i * 16 + 8) : value_at<uint32_t>(entries, i * 8 + 4);
    if (tag == DT_NULL) break;
    tags[tag] = value;
  }
  dynamic_ = {tags[DT_SYMTAB], tags[DT_STRTAB], tags[DT_STRSZ], tags[DT_PLTGOT]};
  read_relocations(tags[DT_JMPREL], tags[DT_PLTRELSZ], tags[DT_PLTREL] == DT_RELA);
  read_relocations(tags[DT_RELA], tags[DT_RELASZ], true);
  read_relocations(tags[DT_REL], tags[DT_RELSZ], false);
}

std::string_view Image::dynamic_name(uint64_t symbol) const {
  const bool elf64 = file_->is_64bit();
  const std::span<const uint8_t> symbols = bytes_at(dynamic_.symbols);
  const size_t entry_size = elf64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  if (symbol >= symbols.size() / entry_size) return {};
  const std::span<const uint8_t> strings = bytes_at(dynamic_.strings);
  const std::string_view text(reinterpret_cast<const char*>(strings.data()),
                              std::min<uint64_t>(strings.size(), dynamic_.strings_size));
  return name_in(text, symbol_of(symbols, symbol, elf64).name);
}

void Image::read_relocations(uint64_t address, uint64_t size, bool with_addend) {
  static_assert(R_X86_64_JUMP_SLOT == R_386_JMP_SLOT && R_X86_64_GLOB_DAT == R_386_GLOB_DAT);
  const bool elf64 = file_->is_64bit();
  const std::span<const uint8_t> bytes = bytes_at(address);
  const size_t entry_size = (elf64 ? 16u : 8u) + (with_addend ? (elf64 ? 8u : 4u) : 0u);
  const size_t count =
      std::min<size_t>(std::min<uint64_t>(size, bytes.size()) / entry_size, kMaxRelocations);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = i * entry_size;
    const uint64_t slot = elf64 ? value_at<uint64_t>(bytes, at) : value_at<uint32_t>(bytes, at);
    const uint64_t info =
        elf64 ? value_at<uint64_t>(bytes, at + 8) : value_at<uint32_t>(bytes, at + 4);
    const uint64_t type = elf64 ? ELF64_R_TYPE(info) : ELF32_R_TYPE(info);
    if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
    const std::string_view name = dynamic_name(elf64 ? ELF64_R_SYM(info) : ELF32_R_SYM(info));
    if (!name.empty()) slots_.emplace(slot, name);
  }
}

std::string_view Image::callee_through(const x86::Operand& pointer) const {
  if (pointer.kind != x86::OperandKind::Memory || pointer.index != x86::kNoRegister) return {};
  auto slot = static_cast<uint64_t>(pointer.displacement);
  if (mode_ == CodeMode::Bits32) {
    // Position-independent code keeps the address of the table of pointers in a register.
    if (pointer.base != x86::kNoRegister) slot += dynamic_.plt_got;
    slot &= 0xffffffff;
  } else if (pointer.base != x86::kNoRegister) {
    return {};
  }
  const auto found = slots_.find(slot);
  return found == slots_.end() ? std::string_view() : found->second;
}

std::string_view Image::callee(uint64_t target) const {
  const auto [known, is_new] = callees_.try_emplace(target);
  if (!is_new) return known->second;
  if (const auto symbol = symbols_.find(target); symbol != symbols_.end()) {
    known->second = symbol->second.name;
    return known->second;
  }
  // A stub of the procedure linkage table: a jump through a pointer, perhaps behind an endbr.
  uint64_t address = target;
  for (unsigned i = 0; i < kMaxStubInstructions; ++i) {
    const std::span<const uint8_t> code = bytes_at(address);
    x86::Instruction instruction;
    if (!x86::decode_instruction(code.data(), code.size(), address, mode_, instruction)) break;
    if (instruction.op == x86::Op::JmpIndirect) {
      known->second = callee_through(instruction.operands[0]);
      break;
    }
    if (instruction.op != x86::Op::Endbr && instruction.op != x86::Op::Nop) break;
    address += instruction.length;
  }
  return known->second;
}

}  // namespace kebound::scan
