// SPDX-License-Identifier: Apache-2.0
#include "hosts/driver/elf_check.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

namespace kebound::driver {

namespace {

constexpr size_t kMostSymbols = 1 << 18;
constexpr uint64_t kLongestStrings = 64 << 20;
constexpr uint32_t kNoteLoaderFlags = 1;
constexpr std::string_view kNoteOwner = "kebound";

class File {
 public:
  explicit File(const std::string& path) noexcept
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

struct EndElf {
  void operator()(Elf* elf) const noexcept { elf_end(elf); }
};
using ElfHandle = std::unique_ptr<Elf, EndElf>;

bool fail(LoadError& error, LoadError::Kind kind, std::string why, std::string remedy) {
  error.kind = kind;
  error.why = std::move(why);
  error.remedy = std::move(remedy);
  return false;
}

const char* const kBuildIt = "build it with kebound_add_driver(), or as an x86-64 shared object";

const char* machine_name(unsigned machine) noexcept {
  switch (machine) {
    case EM_386:
      return "i386";
    case EM_ARM:
      return "ARM";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "PowerPC64";
    case EM_S390:
      return "s390x";
    default:
      return "another architecture";
  }
}

// What the dynamic loader goes by, found through the program headers (section headers may be
// stripped).
class Dynamic {
 public:
  Dynamic(Elf* elf, int fd) : elf_(elf), fd_(fd) {
    size_t count = 0;
    if (elf_getphdrnum(elf, &count) != 0) return;
    for (size_t i = 0; i < count; ++i) {
      GElf_Phdr header;
      if (gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr) return;
      if (header.p_type == PT_LOAD) loads_.push_back(header);
      if (header.p_type == PT_DYNAMIC) dynamic_ = header;
      if (header.p_type == PT_NOTE) notes_.push_back(header);
    }
  }

  [[nodiscard]] bool read(ElfFacts& facts) {
    if (!dynamic_.has_value() || !read_entries()) return false;
    if (!symtab_.has_value() || !strtab_.has_value()) return false;
    strings_ = bytes<char>(*strtab_, std::min(strtab_size_, kLongestStrings));
    for (const uint64_t name : needed_) {
      if (auto text = string_at(name)) facts.needed.push_back(std::move(*text));
    }
    for (const GElf_Phdr& note : notes_) read_note(note, facts);
    return read_symbols(facts);
  }

 private:
  [[nodiscard]] std::optional<uint64_t> offset_of(uint64_t address) const noexcept {
    for (const GElf_Phdr& load : loads_) {
      if (address >= load.p_vaddr && address - load.p_vaddr < load.p_filesz) {
        uint64_t offset = 0;
        if (__builtin_add_overflow(address - load.p_vaddr, load.p_offset, &offset))
          return std::nullopt;
        return offset;
      }
    }
    return std::nullopt;
  }
  // libelf checks the range against the file.
  [[nodiscard]] Elf_Data* chunk(uint64_t offset, uint64_t size, Elf_Type type) const noexcept {
    if (offset > INT64_MAX || size > INT64_MAX) return nullptr;
    return elf_getdata_rawchunk(elf_, static_cast<int64_t>(offset), size, type);
  }

  [[nodiscard]] bool read_entries() {
    Elf_Data* data = chunk(dynamic_->p_offset, dynamic_->p_filesz, ELF_T_DYN);
    if (data == nullptr) return false;
    GElf_Dyn entry;
    for (int i = 0; gelf_getdyn(data, i, &entry) != nullptr && entry.d_tag != DT_NULL; ++i) {
      switch (entry.d_tag) {
        case DT_SYMTAB:
          symtab_ = offset_of(entry.d_un.d_ptr);
          break;
        case DT_STRTAB:
          strtab_ = offset_of(entry.d_un.d_ptr);
          break;
        case DT_STRSZ:
          strtab_size_ = entry.d_un.d_val;
          break;
        case DT_HASH:
          hash_ = offset_of(entry.d_un.d_ptr);
          break;
        case DT_GNU_HASH:
          gnu_hash_ = offset_of(entry.d_un.d_ptr);
          break;
        case DT_NEEDED:
          needed_.push_back(entry.d_un.d_val);
          break;
        default:
          break;
      }
    }
    return true;
  }

  // As much of an array in the file as is there.
  template <class T>
  [[nodiscard]] std::vector<T> bytes(uint64_t offset, uint64_t size) const {
    struct stat status;
    if (offset > INT64_MAX || fstat(fd_, &status) != 0 ||
        offset >= static_cast<uint64_t>(status.st_size))
      return {};
    std::vector<T> out(std::min(size, static_cast<uint64_t>(status.st_size) - offset) / sizeof(T));
    const ssize_t got = pread(fd_, out.data(), out.size() * sizeof(T), static_cast<off_t>(offset));
    out.resize(got > 0 ? static_cast<size_t>(got) / sizeof(T) : 0);
    return out;
  }

  // The dynamic symbol table has no size of its own; the hash tables tell it.
  [[nodiscard]] size_t symbol_count() const {
    if (hash_.has_value()) {
      const auto header = bytes<uint32_t>(*hash_, 8);
      return header.size() == 2 ? std::min<size_t>(header[1], kMostSymbols) : 0;
    }
    if (!gnu_hash_.has_value()) return 0;
    const auto header = bytes<uint32_t>(*gnu_hash_, 16);
    if (header.size() != 4) return 0;
    const auto [buckets, first, bloom] = std::array{header[0], header[1], header[2]};
    if (buckets > kMostSymbols || first > kMostSymbols || bloom > kMostSymbols) return 0;
    const uint64_t bucket_array = *gnu_hash_ + 16 + uint64_t{bloom} * 8;
    const auto heads = bytes<uint32_t>(bucket_array, uint64_t{buckets} * 4);
    uint32_t last = 0;
    for (const uint32_t head : heads) last = std::max(last, head);
    if (last < first) return first;  // nothing is exported
    if (last > kMostSymbols) return 0;
    // The last chain ends with the bit 0 set.
    const auto chain =
        bytes<uint32_t>(bucket_array + uint64_t{buckets} * 4 + uint64_t{last - first} * 4,
                        uint64_t{kMostSymbols - last} * 4);
    const auto end =
        std::find_if(chain.begin(), chain.end(), [](uint32_t link) { return (link & 1) != 0; });
    return last + static_cast<size_t>(end - chain.begin()) + (end != chain.end() ? 1 : 0);
  }

  [[nodiscard]] std::optional<std::string> string_at(uint64_t offset) const {
    if (offset >= strings_.size()) return std::nullopt;
    const size_t length = strnlen(strings_.data() + offset, strings_.size() - offset);
    if (length == strings_.size() - offset) return std::nullopt;
    return std::string(strings_.data() + offset, length);
  }

  [[nodiscard]] bool read_symbols(ElfFacts& facts) const {
    const size_t count = symbol_count();
    if (count == 0) return true;
    Elf_Data* data = chunk(*symtab_, count * sizeof(Elf64_Sym), ELF_T_SYM);
    if (data == nullptr) return false;
    GElf_Sym symbol;
    for (int i = 1; static_cast<size_t>(i) < count && gelf_getsym(data, i, &symbol) != nullptr;
         ++i) {
      std::optional<std::string> name = string_at(symbol.st_name);
      if (!name.has_value() || name->empty()) continue;
      const unsigned binding = GELF_ST_BIND(symbol.st_info);
      if (symbol.st_shndx == SHN_UNDEF) {
        if (binding == STB_GLOBAL) facts.imports.push_back(std::move(*name));
      } else if (binding != STB_LOCAL && *name == "DriverEntry" &&
                 GELF_ST_TYPE(symbol.st_info) == STT_FUNC) {
        facts.exports_driver_entry = true;
      }
    }
    return true;
  }

  void read_note(const GElf_Phdr& header, ElfFacts& facts) const {
    Elf_Data* data =
        chunk(header.p_offset, header.p_filesz, header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
    if (data == nullptr) return;
    GElf_Nhdr note;
    size_t name = 0;
    size_t description = 0;
    for (size_t at = 0; (at = gelf_getnote(data, at, &note, &name, &description)) > 0;) {
      const auto* bytes = static_cast<const char*>(data->d_buf);
      if (note.n_type == kNoteLoaderFlags && note.n_namesz == kNoteOwner.size() + 1 &&
          memcmp(bytes + name, kNoteOwner.data(), kNoteOwner.size() + 1) == 0 &&
          note.n_descsz >= sizeof(uint32_t)) {
        memcpy(&facts.loader_flags, bytes + description, sizeof facts.loader_flags);
      }
    }
  }

  Elf* elf_;
  int fd_;
  std::vector<char> strings_;
  std::vector<GElf_Phdr> loads_;
  std::vector<GElf_Phdr> notes_;
  std::optional<GElf_Phdr> dynamic_;
  std::optional<uint64_t> symtab_;
  std::optional<uint64_t> strtab_;
  std::optional<uint64_t> hash_;
  std::optional<uint64_t> gnu_hash_;
  uint64_t strtab_size_ = 0;
  std::vector<uint64_t> needed_;
};

// For names in reports only: whatever cannot be read is left out.
void read_functions(Elf* elf, ElfFacts& facts) {
  Elf_Scn* best = nullptr;
  GElf_Shdr best_header{};
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    if (header.sh_type == SHT_SYMTAB || (header.sh_type == SHT_DYNSYM && best == nullptr)) {
      best = section;
      best_header = header;
    }
  }
  Elf_Data* data = best != nullptr ? elf_getdata(best, nullptr) : nullptr;
  if (data == nullptr) return;
  GElf_Sym symbol;
  for (int i = 1; static_cast<size_t>(i) < kMostSymbols && gelf_getsym(data, i, &symbol) != nullptr;
       ++i) {
    if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF) continue;
    const char* name = elf_strptr(elf, best_header.sh_link, symbol.st_name);
    if (name == nullptr || *name == 0) continue;
    facts.functions.push_back({symbol.st_value, symbol.st_size, name});
  }
}

}  // namespace

bool read_elf(const std::string& path, ElfFacts& facts, LoadError& error) {
  using Kind = LoadError::Kind;
  const File file(path);
  if (file.fd() < 0) {
    const int reason = errno;
    return fail(error, Kind::NotFound, std::string("cannot be opened: ") + strerror(reason),
                reason == ENOENT ? "give the path of a driver's .so" : "check its permissions");
  }
  struct stat status;
  if (fstat(file.fd(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail(error, Kind::NotElf,
                S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file",
                "give the path of a driver's .so");
  }
  elf_version(EV_CURRENT);
  const ElfHandle elf(elf_begin(file.fd(), ELF_C_READ, nullptr));
  if (elf == nullptr || elf_kind(elf.get()) != ELF_K_ELF) {
    char magic[2] = {};
    const bool is_pe = pread(file.fd(), magic, 2, 0) == 2 && magic[0] == 'M' && magic[1] == 'Z';
    return fail(error, Kind::NotElf,
                is_pe ? "is a PE image (.sys), not an ELF shared object" : "is not an ELF file",
                kBuildIt);
  }
  GElf_Ehdr header;
  if (gelf_getehdr(elf.get(), &header) == nullptr) {
    return fail(error, Kind::NotElf, "has a damaged ELF header", kBuildIt);
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != EM_X86_64) {
    const char* machine = header.e_machine == EM_X86_64 ? "x86-64 with another class or byte order"
                                                        : machine_name(header.e_machine);
    return fail(error, Kind::WrongMachine, std::string("is for ") + machine + ", not x86-64",
                kBuildIt);
  }
  if (header.e_type != ET_DYN) {
    return fail(error, Kind::NotElf, "is an ELF file but not a shared object", kBuildIt);
  }
  if (!Dynamic(elf.get(), file.fd()).read(facts)) {
    return fail(error, Kind::NotElf, "is a damaged ELF shared object", kBuildIt);
  }
  read_functions(elf.get(), facts);
  if (!facts.exports_driver_entry) {
    return fail(error, Kind::NoDriverEntry, "exports no DriverEntry",
                "build it with kebound_add_driver(), or export DriverEntry with C linkage");
  }
  return true;
}

}  // namespace kebound::driver
