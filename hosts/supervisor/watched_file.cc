// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/watched_file.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace kebound::supervisor {
namespace {

using Kind = WatchedFunction::Kind;

// An open file, and libelf's view of it. It is read, never mapped: whoever owns the file may
// shorten it while we look.
class ElfFile {
 public:
  explicit ElfFile(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
    if (fd_ < 0 || elf_version(EV_CURRENT) == EV_NONE) return;
    elf_ = elf_begin(fd_, ELF_C_READ, nullptr);
    if (elf_ == nullptr || elf_kind(elf_) != ELF_K_ELF || gelf_getehdr(elf_, &header_) == nullptr ||
        (header_.e_machine != EM_X86_64 && header_.e_machine != EM_386)) {
      elf_end(elf_);
      elf_ = nullptr;
    }
  }
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;
  ~ElfFile() {
    elf_end(elf_);
    if (fd_ >= 0) close(fd_);
  }

  [[nodiscard]] Elf* get() const { return elf_; }
  [[nodiscard]] bool is_64bit() const { return header_.e_machine == EM_X86_64; }

  // The loaded segment for which `inside` holds.
  template <class Inside>
  [[nodiscard]] std::optional<GElf_Phdr> segment(Inside inside) const {
    size_t count = 0;
    if (elf_getphdrnum(elf_, &count) != 0) return std::nullopt;
    for (size_t i = 0; i < count; ++i) {
      GElf_Phdr segment;
      if (gelf_getphdr(elf_, static_cast<int>(i), &segment) == nullptr) break;
      if (segment.p_type == PT_LOAD && inside(segment)) return segment;
    }
    return std::nullopt;
  }

  // Calls visit(section, header) for each section of the type, until it returns false.
  template <class Visit>
  void for_each_section(GElf_Word type, Visit visit) const {
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_, section)) != nullptr;) {
      GElf_Shdr header;
      if (gelf_getshdr(section, &header) == nullptr || header.sh_type != type) continue;
      if (!visit(section, header)) return;
    }
  }
  // The same for its symbols: visit(symbol, name).
  template <class Visit>
  void for_each_symbol(GElf_Word type, Visit visit) const {
    for_each_section(type, [&](Elf_Scn* section, const GElf_Shdr& header) {
      Elf_Data* const data = elf_getdata(section, nullptr);
      const size_t count = data != nullptr && header.sh_entsize != 0
                               ? data->d_size / static_cast<size_t>(header.sh_entsize)
                               : 0;
      for (size_t i = 0; i < count; ++i) {
        GElf_Sym symbol;
        if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) break;
        const char* const name = elf_strptr(elf_, header.sh_link, symbol.st_name);
        if (name != nullptr && !visit(symbol, name)) return false;
      }
      return true;
    });
  }

 private:
  int fd_;
  Elf* elf_ = nullptr;
  GElf_Ehdr header_{};
};

// A name that is wanted, by class; looked up for each of what may be a hundred thousand symbols.
class Wanted {
 public:
  Wanted(bool is_64bit, calls::FamilySet families) {
    size_t count = 0;
    const calls::CallSource* const sources = calls::call_sources(count);
    for (size_t i = 0; i < count; ++i) {
      const calls::CallSource& source = sources[i];
      if (!source.is_for(is_64bit) || (families & calls::family_bit(source.family)) == 0) continue;
      const bool fortified = source.family == calls::Family::Fortify;
      add(source.symbol, fortified ? Kind::Fortified : Kind::Source, &source);
    }
    if ((families & calls::family_bit(calls::Family::Fortify)) != 0) {
      add("__chk_fail", Kind::Refusal);
      add("__fortify_fail", Kind::Refusal);  // __fdelt_chk's; also where __chk_fail goes on
    }
    if (families != 0) add("_dl_debug_state", Kind::Loader);
  }
  [[nodiscard]] const WatchedFunction* find(const char* name) const {
    if (name[0] != '_') return nullptr;  // as all of them begin
    std::string_view text(name);
    auto found = names_.find(text);
    // One of several for different processors: __memcpy_chk_avx_unaligned.
    constexpr std::string_view kMark = "_chk_";
    if (const size_t mark = text.find(kMark); found == names_.end() && mark != text.npos) {
      found = names_.find(text.substr(0, mark + kMark.size() - 1));
      if (found != names_.end() && found->second.kind != Kind::Fortified) found = names_.end();
    }
    return found != names_.end() ? &found->second : nullptr;
  }

 private:
  void add(std::string_view name, Kind kind, const calls::CallSource* source = nullptr) {
    WatchedFunction function;
    function.kind = kind;
    function.source = source;
    names_.emplace(name, function);
  }
  std::unordered_map<std::string_view, WatchedFunction> names_;
};

bool is_defined_function(const GElf_Sym& symbol) {
  return GELF_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF &&
         symbol.st_value != 0;
}

void collect(const ElfFile& file, GElf_Word table, const Wanted& wanted,
             std::vector<WatchedFunction>& out) {
  file.for_each_symbol(table, [&](const GElf_Sym& symbol, const char* name) {
    const WatchedFunction* const found = is_defined_function(symbol) ? wanted.find(name) : nullptr;
    if (found == nullptr) return true;
    const auto segment = file.segment([&](const GElf_Phdr& candidate) {
      return (candidate.p_flags & PF_X) != 0 && symbol.st_value >= candidate.p_vaddr &&
             symbol.st_value - candidate.p_vaddr < candidate.p_filesz;
    });
    if (!segment) return true;
    WatchedFunction function = *found;
    function.offset = symbol.st_value - segment->p_vaddr + segment->p_offset;
    function.size = symbol.st_size;
    out.push_back(function);
    return true;
  });
}

std::string name_of_symbol(const ElfFile& file, const GElf_Shdr& relocations, size_t index) {
  GElf_Shdr table;
  Elf_Scn* const section = elf_getscn(file.get(), relocations.sh_link);
  Elf_Data* const data = section != nullptr ? elf_getdata(section, nullptr) : nullptr;
  GElf_Sym symbol;
  if (data == nullptr || gelf_getshdr(section, &table) == nullptr ||
      gelf_getsym(data, static_cast<int>(index), &symbol) == nullptr) {
    return {};
  }
  const char* const name = elf_strptr(file.get(), table.sh_link, symbol.st_name);
  return name != nullptr ? name : "";
}

}  // namespace

WatchedFile read_watched_file(const std::string& path, calls::FamilySet families) {
  WatchedFile result;
  const ElfFile file(path);
  if (file.get() == nullptr) return result;
  result.is_64bit = file.is_64bit();
  const Wanted wanted(result.is_64bit, families);
  std::vector<WatchedFunction>& functions = result.functions;
  collect(file, SHT_DYNSYM, wanted, functions);
  collect(file, SHT_SYMTAB, wanted, functions);
  std::stable_sort(functions.begin(), functions.end(),
                   [](const auto& a, const auto& b) { return a.offset < b.offset; });
  functions.erase(std::unique(functions.begin(), functions.end(),
                              [](const auto& a, const auto& b) { return a.offset == b.offset; }),
                  functions.end());
  return result;
}

std::string name_of_slot(const std::string& path, uint64_t slot) {
  std::string name;
  const ElfFile file(path);
  if (file.get() == nullptr) return name;
  const auto search = [&](Elf_Scn* section, const GElf_Shdr& header) {
    Elf_Data* const data = elf_getdata(section, nullptr);
    const size_t count = data != nullptr && header.sh_entsize != 0
                             ? data->d_size / static_cast<size_t>(header.sh_entsize)
                             : 0;
    for (size_t i = 0; i < count; ++i) {
      GElf_Rela entry{};
      GElf_Rel short_entry{};
      if (header.sh_type == SHT_RELA) {
        if (gelf_getrela(data, static_cast<int>(i), &entry) == nullptr) break;
      } else {
        if (gelf_getrel(data, static_cast<int>(i), &short_entry) == nullptr) break;
        entry.r_offset = short_entry.r_offset;
        entry.r_info = short_entry.r_info;
      }
      if (entry.r_offset != slot) continue;
      name = name_of_symbol(file, header, GELF_R_SYM(entry.r_info));
      return false;
    }
    return true;
  };
  file.for_each_section(SHT_RELA, search);
  if (name.empty()) file.for_each_section(SHT_REL, search);
  return name;
}

bool load_bias(const std::string& path, uint64_t offset, uint64_t address, uint64_t& bias) {
  const ElfFile file(path);
  if (file.get() == nullptr) return false;
  const auto segment = file.segment([&](const GElf_Phdr& candidate) {
    return offset >= candidate.p_offset && offset - candidate.p_offset < candidate.p_filesz;
  });
  if (!segment) return false;
  bias = address - (segment->p_vaddr + (offset - segment->p_offset));
  return true;
}

}  // namespace kebound::supervisor
