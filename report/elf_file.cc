// SPDX-License-Identifier: Apache-2.0
#include "report/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "trap/elf/image_file.h"

namespace kebound::report {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMaxProgramHeaders = 512;
constexpr size_t kMaxSections = 65'535;
constexpr size_t kMaxCachedFiles = 256;
constexpr uint64_t kMaxCachedBytes = uint64_t{1} << 30;

struct Elf32 {
  using Ehdr = Elf32_Ehdr;
  using Phdr = Elf32_Phdr;
  using Shdr = Elf32_Shdr;
  using Chdr = Elf32_Chdr;
};
struct Elf64 {
  using Ehdr = Elf64_Ehdr;
  using Phdr = Elf64_Phdr;
  using Shdr = Elf64_Shdr;
  using Chdr = Elf64_Chdr;
};

bool fits(uint64_t offset, uint64_t size, uint64_t total) {
  return offset <= total && size <= total - offset;
}

template <typename T>
T load(const std::vector<uint8_t>& bytes, uint64_t offset) {
  T value;
  memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

class ScopedFd {
 public:
  explicit ScopedFd(int fd) : fd_(fd) {}
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  ~ScopedFd() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// As whoever maps the file sees it.
std::string loaded_build_id(const std::vector<uint8_t>& bytes) {
  const auto read = [](void* self, uint64_t offset, void* buffer, size_t size) noexcept -> size_t {
    const auto& from = *static_cast<const std::vector<uint8_t>*>(self);
    if (offset >= from.size()) return 0;
    const size_t count = std::min<uint64_t>(size, from.size() - offset);
    memcpy(buffer, from.data() + offset, count);
    return count;
  };
  uint8_t window[elf::kImageWindow];
  elf::ImageFile image;
  const MemoryReader reader{const_cast<std::vector<uint8_t>*>(&bytes), read};
  if (!elf::read_image_file(reader, 0, window, sizeof window, image)) return {};
  return {reinterpret_cast<const char*>(image.build_id), image.build_id_size};
}

// The size that a compressed section claims to have when inflated; 0 if it is not compressed.
template <typename Types>
uint64_t inflated_size(const typename Types::Shdr& header, std::string_view name,
                       std::string_view contents) {
  if ((header.sh_flags & SHF_COMPRESSED) != 0) {
    typename Types::Chdr compressed;
    if (contents.size() < sizeof compressed) return 0;
    memcpy(&compressed, contents.data(), sizeof compressed);
    return compressed.ch_size;
  }
  if (name.starts_with(".zdebug") && contents.size() >= 12 && contents.starts_with("ZLIB")) {
    uint64_t size = 0;
    for (size_t i = 4; i < 12; ++i) size = size << 8 | static_cast<uint8_t>(contents[i]);
    return size;
  }
  return 0;
}

}  // namespace

std::optional<FileId> identify_file(const std::string& path) noexcept {
  struct stat info;
  if (path.empty() || stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return FileId{info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size),
                info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

std::optional<std::vector<uint8_t>> read_regular_file(const std::string& path, uint64_t limit) {
  const ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info;
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0 ||
      static_cast<uint64_t>(info.st_size) > limit) {
    return std::nullopt;
  }
  std::vector<uint8_t> bytes(static_cast<size_t>(info.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = read(fd.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;
    if (count == 0) break;  // it shrank meanwhile: what is left is judged by its headers
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

std::shared_ptr<const ElfFile> ElfFile::open(const std::string& path) {
  auto bytes = read_regular_file(path, kMaxElfSize);
  return bytes ? from_bytes(std::move(*bytes)) : nullptr;
}

std::shared_ptr<const ElfFile> ElfFile::from_bytes(std::vector<uint8_t> bytes) {
  if (bytes.size() < EI_NIDENT || memcmp(bytes.data(), ELFMAG, SELFMAG) != 0 ||
      bytes[EI_DATA] != ELFDATA2LSB || bytes[EI_VERSION] != EV_CURRENT) {
    return nullptr;
  }
  std::shared_ptr<ElfFile> file(new ElfFile(std::move(bytes)));
  bool sane = false;
  if (file->bytes_[EI_CLASS] == ELFCLASS64) {
    file->is_64bit_ = true;
    sane = file->parse<Elf64>();
  } else if (file->bytes_[EI_CLASS] == ELFCLASS32) {
    sane = file->parse<Elf32>();
  }
  if (!sane) return nullptr;
  file->loaded_build_id_ = loaded_build_id(file->bytes_);
  return file;
}

template <typename Types>
bool ElfFile::parse() {
  using Ehdr = typename Types::Ehdr;
  using Phdr = typename Types::Phdr;
  if (bytes_.size() < sizeof(Ehdr)) return false;
  const auto header = load<Ehdr>(bytes_, 0);
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return false;
  if (header.e_machine != (is_64bit_ ? EM_X86_64 : EM_386)) return false;
  if (header.e_phentsize != sizeof(Phdr) || header.e_phnum == 0 ||
      header.e_phnum > kMaxProgramHeaders ||
      !fits(header.e_phoff, uint64_t{header.e_phnum} * sizeof(Phdr), bytes_.size())) {
    return false;
  }
  constexpr uint64_t kLimit =
      sizeof(Phdr) == sizeof(Elf64_Phdr) ? uint64_t{1} << 47 : uint64_t{1} << 32;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = load<Phdr>(bytes_, header.e_phoff + i * sizeof(Phdr));
    if (segment.p_type != PT_LOAD) continue;
    // A separate debug file's segments have no contents; their file sizes are still those of the
    // program.
    if (segment.p_vaddr >= kLimit || segment.p_memsz > kLimit - segment.p_vaddr) return false;
    const uint64_t alignment = segment.p_align;
    if (alignment > (uint64_t{1} << 32) || (alignment & (alignment - 1)) != 0) return false;
    if (!segments_.empty() && segment.p_vaddr < segments_.back().address) return false;
    segments_.push_back({segment.p_offset, segment.p_vaddr, segment.p_filesz, segment.p_memsz,
                         std::max<uint64_t>(alignment, 1), (segment.p_flags & PF_X) != 0});
  }
  if (segments_.empty()) return false;
  begin_ = segments_.front().address & ~(segments_.front().alignment - 1);
  for (const auto& segment : segments_)
    end_ = std::max(end_, segment.address + segment.memory_size);
  end_ = (end_ + kPage - 1) & ~(kPage - 1);
  if (end_ <= begin_) return false;
  return parse_sections<Types>();
}

template <typename Types>
bool ElfFile::parse_sections() {
  using Shdr = typename Types::Shdr;
  const auto header = load<typename Types::Ehdr>(bytes_, 0);
  if (header.e_shoff == 0)
    return true;  // stripped of its section headers: symbols are out, the rest works
  if (header.e_shentsize != sizeof(Shdr) || !fits(header.e_shoff, sizeof(Shdr), bytes_.size())) {
    return false;
  }
  size_t count = header.e_shnum;
  size_t names_index = header.e_shstrndx;
  const auto first = load<Shdr>(bytes_, header.e_shoff);
  if (count == 0) count = first.sh_size;
  if (names_index == SHN_XINDEX) names_index = first.sh_link;
  if (count == 0 || count > kMaxSections ||
      !fits(header.e_shoff, uint64_t{count} * sizeof(Shdr), bytes_.size())) {
    return false;
  }
  const auto contents_of = [this](const Shdr& section) -> std::string_view {
    if (section.sh_type == SHT_NOBITS) return {};
    return {reinterpret_cast<const char*>(bytes_.data()) + section.sh_offset, section.sh_size};
  };
  uint64_t inflated = 0;
  std::string_view names;
  for (int pass = 0; pass < 2; ++pass) {  // names first: they are wanted for every section
    for (size_t i = 0; i < count; ++i) {
      const auto section = load<Shdr>(bytes_, header.e_shoff + i * sizeof(Shdr));
      if (section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL &&
          !fits(section.sh_offset, section.sh_size, bytes_.size())) {
        return false;
      }
      if (pass == 0) {
        if (i == names_index && section.sh_type == SHT_STRTAB) names = contents_of(section);
        continue;
      }
      if (section.sh_type == SHT_NULL || section.sh_name >= names.size()) continue;
      auto name = names.substr(section.sh_name);
      const size_t end = name.find('\0');
      if (end == std::string_view::npos) return false;
      name = name.substr(0, end);
      const auto contents = contents_of(section);
      const uint64_t grown = inflated_size<Types>(section, name, contents);
      if (grown > kMaxInflatedSize - inflated) return false;
      inflated += grown;
      sections_.push_back({name, contents});
    }
  }
  return true;
}

std::optional<uint64_t> ElfFile::address_of(uint64_t file_offset, bool executable) const noexcept {
  // Mappings are whole pages, so one offset can lie in two segments' pages: first an exact hit,
  // then by page.
  for (const bool exact : {true, false}) {
    for (const bool of_kind : {true, false}) {
      for (const auto& segment : segments_) {
        if ((segment.executable == executable) != of_kind) continue;
        if (segment.offset > bytes_.size() || segment.file_size > kMaxElfSize) continue;
        const uint64_t begin = exact ? segment.offset : segment.offset & ~(kPage - 1);
        const uint64_t end = segment.offset + segment.file_size;
        const uint64_t rounded = exact ? end : (end + kPage - 1) & ~(kPage - 1);
        if (file_offset >= begin && file_offset < rounded) {
          return file_offset - segment.offset + segment.address;
        }
      }
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> ElfFile::zeroed_address(uint64_t file_offset,
                                                uint64_t distance) const noexcept {
  std::optional<uint64_t> found;
  for (const auto& segment : segments_) {
    if (segment.offset > bytes_.size() || segment.file_size > kMaxElfSize) continue;
    const uint64_t begin = segment.offset & ~(kPage - 1);
    if (file_offset < begin || file_offset >= segment.offset + segment.file_size) continue;
    // From where the segment begins; before it, in its first page, the difference wraps around.
    const uint64_t within = file_offset - segment.offset + distance;
    if (within < segment.file_size || within >= segment.memory_size) continue;
    if (found) return std::nullopt;
    found = segment.address + within;
  }
  return found;
}

std::string_view ElfFile::section(std::string_view name) const noexcept {
  for (const auto& section : sections_) {
    if (section.name == name) return section.contents;
  }
  return {};
}

bool ElfFile::has_build_id(std::string_view id) const noexcept {
  return id == build_id() || id == loaded_build_id_;
}

std::string_view ElfFile::build_id() const noexcept {
  std::string_view notes = section(".note.gnu.build-id");
  if (notes.empty()) return loaded_build_id_;
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr header;  // the same in both classes
    memcpy(&header, notes.data(), sizeof header);
    const uint64_t name_size = (uint64_t{header.n_namesz} + 3) & ~uint64_t{3};
    const uint64_t total =
        sizeof header + name_size + ((uint64_t{header.n_descsz} + 3) & ~uint64_t{3});
    if (total > notes.size()) return {};
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 &&
        notes.substr(sizeof header, 4) == std::string_view("GNU\0", 4)) {
      return notes.substr(sizeof header + name_size, header.n_descsz);
    }
    notes.remove_prefix(total);
  }
  return {};
}

std::optional<ElfFile::DebugLink> ElfFile::debug_link() const {
  const auto contents = section(".gnu_debuglink");
  const size_t end = contents.find('\0');
  if (end == std::string_view::npos || end == 0 || end > NAME_MAX) return std::nullopt;
  const size_t crc_at = (end + 4) & ~size_t{3};
  if (!fits(crc_at, 4, contents.size())) return std::nullopt;
  DebugLink link{std::string(contents.substr(0, end)), 0};
  if (link.name.find('/') != std::string::npos || link.name == "..") return std::nullopt;
  memcpy(&link.crc, contents.data() + crc_at, sizeof link.crc);
  return link;
}

uint32_t debug_link_crc(const uint8_t* bytes, size_t size) noexcept {
  static constexpr auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320u : 0);
      table[i] = value;
    }
    return table;
  }();
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; ++i) crc = kTable[(crc ^ bytes[i]) & 0xff] ^ (crc >> 8);
  return ~crc;
}

std::shared_ptr<const ElfFile> ElfCache::open(const std::string& path, const FileId& id) {
  ++clock_;
  if (const auto found = files_.find(id); found != files_.end()) {
    found->second.used = clock_;
    return found->second.file;
  }
  auto file = ElfFile::open(path);
  if (file) bytes_ += file->bytes().size();
  files_[id] = {file, clock_};
  evict();
  return file;
}

void ElfCache::evict() {
  while (files_.size() > 1 && (files_.size() > kMaxCachedFiles || bytes_ > kMaxCachedBytes)) {
    const auto oldest = std::min_element(
        files_.begin(), files_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    if (oldest->second.file) bytes_ -= oldest->second.file->bytes().size();
    files_.erase(oldest);
  }
}

}  // namespace kebound::report
