// SPDX-License-Identifier: Apache-2.0
#include "scan/image.h"

#include <elf.h>
#include <errno.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace kebound::scan {
namespace {

const char* machine_name(uint16_t machine) {
  switch (machine) {
    case EM_ARM:
      return "32-bit Arm";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "PowerPC";
    case EM_S390:
      return "S/390";
    case EM_MIPS:
      return "MIPS";
    default:
      return nullptr;
  }
}

// What the bytes are, if they are not what ElfFile takes.
Refusal explain(const std::vector<uint8_t>& bytes) {
  static constexpr const char* kGive = "give an x86 program or shared library";
  Elf32_Ehdr header;  // the members up to e_version are the same in both classes
  if (bytes.size() < EI_NIDENT || memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) {
    return {false, "this is no ELF file", kGive};
  }
  if (bytes.size() < sizeof header) return {false, "the ELF file ends in its header", kGive};
  memcpy(&header, bytes.data(), sizeof header);
  const bool big_endian = bytes[EI_DATA] == ELFDATA2MSB;
  const bool x86 = header.e_machine == EM_X86_64 || header.e_machine == EM_386;
  if (big_endian || !x86) {
    const char* name = big_endian ? nullptr : machine_name(header.e_machine);
    return {false,
            name != nullptr ? fmt::format("it is made for another architecture, {}", name)
                            : std::string("it is made for another architecture"),
            kGive};
  }
  switch (header.e_type) {
    case ET_REL:
      return {false, "it is an object file, whose branches have no targets yet", "link it first"};
    case ET_CORE:
      return {false, "it is a core file", kGive};
    default:
      break;
  }
  if (header.e_machine == EM_X86_64 && bytes[EI_CLASS] == ELFCLASS32) {
    return {false, "programs of the x32 ABI are not known", kGive};
  }
  return {false, "its ELF headers are damaged, or the file is truncated", "get an intact copy"};
}

// Sections of the file that hold code.
template <typename Ehdr, typename Shdr>
std::vector<Region> code_sections(const std::vector<uint8_t>& bytes) {
  std::vector<Region> regions;
  Ehdr header;
  memcpy(&header, bytes.data(), sizeof header);
  const uint64_t count = header.e_shnum;  // more than 65,280 sections: those of the segments do
  if (header.e_shoff == 0 || header.e_shentsize != sizeof(Shdr) || header.e_shoff > bytes.size() ||
      count > (bytes.size() - header.e_shoff) / sizeof(Shdr)) {
    return regions;
  }
  const auto section = [&](uint64_t index) {
    Shdr out{};
    if (index < count) {
      memcpy(&out, bytes.data() + header.e_shoff + index * sizeof out, sizeof out);
    }
    return out;
  };
  const Shdr names = section(header.e_shstrndx);
  for (uint64_t i = 0; i < count; ++i) {
    const Shdr candidate = section(i);
    if (candidate.sh_type != SHT_PROGBITS || (candidate.sh_flags & SHF_EXECINSTR) == 0 ||
        (candidate.sh_flags & SHF_ALLOC) == 0 || candidate.sh_size == 0) {
      continue;
    }
    Region region;
    region.range = {candidate.sh_addr, uint64_t{candidate.sh_addr} + candidate.sh_size};
    if (names.sh_type == SHT_STRTAB && names.sh_offset < bytes.size() &&
        candidate.sh_name < names.sh_size && candidate.sh_name < bytes.size() - names.sh_offset) {
      const auto* begin =
          reinterpret_cast<const char*>(bytes.data()) + names.sh_offset + candidate.sh_name;
      region.name.assign(
          begin, strnlen(begin, std::min<uint64_t>(
                                    64, bytes.size() - names.sh_offset - candidate.sh_name)));
    }
    region.stubs = region.name.starts_with(".plt");
    regions.push_back(std::move(region));
  }
  return regions;
}

bool has_section_of_lines(const report::ElfFile& file) {
  return !file.section(".debug_info").empty() || !file.section(".zdebug_info").empty();
}

}  // namespace

std::unique_ptr<Image> Image::open(const std::string& path, Refusal& refusal) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0 || access(path.c_str(), R_OK) != 0) {
    const int error = errno;
    refusal = {error == ENOENT || error == ENOTDIR, strerror(error),
               "check the name and its rights"};
    return nullptr;
  }
  if (!S_ISREG(info.st_mode)) {
    refusal = {false, "it is no regular file", "give an x86 program or shared library"};
    return nullptr;
  }
  if (info.st_size == 0) {
    refusal = {false, "the file is empty", "give an x86 program or shared library"};
    return nullptr;
  }
  auto bytes = report::read_regular_file(path, report::kMaxElfSize);
  if (!bytes) {
    refusal = {false,
               static_cast<uint64_t>(info.st_size) > report::kMaxElfSize
                   ? fmt::format("it is larger than {} MiB", report::kMaxElfSize >> 20)
                   : std::string("it cannot be read"),
               "give an x86 program or shared library"};
    return nullptr;
  }
  auto image = from_bytes(std::move(*bytes), refusal);
  if (image) image->read_debug_file(path);
  return image;
}

// What was split off.
void Image::read_debug_file(const std::string& path) {
  if (has_symbols_ && has_debug_info_) return;
  const auto debug = report::find_debug_file(*file_, path, path, "/usr/lib/debug");
  if (!debug) return;
  has_debug_info_ |= has_section_of_lines(*debug);
  if (has_symbols_) return;
  read_symbol_table(*debug, debug->section(".symtab"), debug->section(".strtab"));
  functions_.clear();
  find_functions();
}

std::unique_ptr<Image> Image::from_bytes(std::vector<uint8_t> bytes, Refusal& refusal) {
  const Refusal reason = explain(bytes);
  std::unique_ptr<Image> image(new Image);
  image->file_ = report::ElfFile::from_bytes(std::move(bytes));
  if (!image->file_) {
    refusal = reason;
    return nullptr;
  }
  return image->load(refusal) ? std::move(image) : nullptr;
}

bool Image::load(Refusal& refusal) {
  mode_ = file_->is_64bit() ? CodeMode::Bits64 : CodeMode::Bits32;
  Elf32_Ehdr header;
  memcpy(&header, file_->bytes().data(), sizeof header);
  position_independent_ = header.e_type == ET_DYN;
  for (const report::LoadSegment& segment : file_->segments()) {
    if (segment.executable && (segment.offset > file_->bytes().size() ||
                               segment.file_size > file_->bytes().size() - segment.offset)) {
      refusal = {false, "its code is not in the file: it is truncated, or a separate debug file",
                 "give the program itself"};
      return false;
    }
  }
  read_regions();
  if (regions_.empty()) {
    refusal = {false, "it has no code; a separate debug file has none", "give the program itself"};
    return false;
  }
  elf::ProgramHeaders headers;
  for (const report::LoadSegment& segment : file_->segments()) {
    if (segment.offset == 0 && elf::find_program_headers(segment.address, reader(), headers)) break;
  }
  // Without: functions by symbols alone, or none.
  if (headers.count > 0) {
    headers.bias = 0;
    if (!elf::read_image(headers, reader(), unwind_)) unwind_ = {};
  }
  has_debug_info_ = has_section_of_lines(*file_);
  read_symbols();
  read_imports();
  find_functions();
  return true;
}

void Image::read_regions() {
  regions_ = file_->is_64bit() ? code_sections<Elf64_Ehdr, Elf64_Shdr>(file_->bytes())
                               : code_sections<Elf32_Ehdr, Elf32_Shdr>(file_->bytes());
  // What section headers claim has to be in the file.
  std::erase_if(regions_, [this](const Region& region) {
    return region.range.size() == 0 || bytes_at(region.range.begin).size() < region.range.size();
  });
  if (regions_.empty()) {
    for (const report::LoadSegment& segment : file_->segments()) {
      if (!segment.executable || segment.file_size == 0) continue;
      Region region;
      region.range = {segment.address, segment.address + segment.file_size};
      regions_.push_back(region);
    }
  }
  std::sort(regions_.begin(), regions_.end(),
            [](const Region& a, const Region& b) { return a.range.begin < b.range.begin; });
  // Overlap would have the same code scanned twice.
  uint64_t end = 0;
  std::erase_if(regions_, [&end](const Region& region) {
    const bool overlaps = region.range.begin < end;
    if (!overlaps) end = region.range.end;
    return overlaps;
  });
}

std::span<const uint8_t> Image::bytes_at(uint64_t address) const {
  for (const report::LoadSegment& segment : file_->segments()) {
    const uint64_t offset = address - segment.address;
    if (offset >= segment.file_size || segment.offset > file_->bytes().size()) continue;
    const uint64_t there =
        std::min<uint64_t>(segment.file_size, file_->bytes().size() - segment.offset);
    if (offset >= there) continue;
    return std::span(file_->bytes()).subspan(segment.offset + offset, there - offset);
  }
  return {};
}

MemoryReader Image::reader() const {
  const auto read = [](void* self, uint64_t address, void* buffer, size_t size) noexcept -> size_t {
    const auto bytes = static_cast<const Image*>(self)->bytes_at(address);
    const size_t count = std::min(size, bytes.size());
    if (count > 0) memcpy(buffer, bytes.data(), count);
    return count;
  };
  return {const_cast<Image*>(this), read};
}

const Function* Image::function_at(uint64_t address) const {
  const auto after = std::upper_bound(
      functions_.begin(), functions_.end(), address,
      [](uint64_t value, const Function& function) { return value < function.range.begin; });
  if (after == functions_.begin()) return nullptr;
  const Function& found = *std::prev(after);
  return found.range.contains(address) ? &found : nullptr;
}

// Functions by the unwind table; where it says nothing, by the symbols.
void Image::find_functions() {
  std::map<uint64_t, uint64_t> ranges;
  for (uint64_t i = 0; i < unwind_.function_count; ++i) {
    CodeRange range;
    if (elf::function_at(unwind_, i, reader(), range)) {
      uint64_t& end = ranges[range.begin];
      end = std::max(end, range.end);
    }
  }
  const std::map<uint64_t, uint64_t> unwound = ranges;
  for (const auto& [address, symbol] : symbols_) {
    const auto after = unwound.upper_bound(address);
    const bool known = after != unwound.begin() && address < std::prev(after)->second;
    if (!known && symbol.size > 0) ranges.emplace(address, address + symbol.size);
  }
  for (const Region& region : regions_) {
    if (region.stubs) continue;
    const auto first = ranges.lower_bound(region.range.begin);
    for (auto next = first; next != ranges.end() && next->first < region.range.end; ++next) {
      Function function;
      const auto following = std::next(next);
      uint64_t end = std::min(next->second, region.range.end);
      if (following != ranges.end()) end = std::min(end, following->first);
      function.range = {next->first, end};
      const auto symbol = symbols_.find(next->first);
      if (symbol != symbols_.end()) function.symbol = symbol->second.name;
      if (function.range.size() > 0) functions_.push_back(std::move(function));
    }
  }
}

}  // namespace kebound::scan
