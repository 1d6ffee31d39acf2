// SPDX-License-Identifier: Apache-2.0
//
// ELF files as evidence: opened, copied and checked before libelf or libdw see a byte of them. They
// belong to the program under test, which may be hostile and may change them while they are read.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kebound::report {

// What tells one version of a file from another.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified_ns = 0;
  auto operator<=>(const FileId&) const = default;
};

// Larger files are not read: their frames show module and file offset only.
inline constexpr uint64_t kMaxElfSize = uint64_t{1} << 30;
// Debug sections may not grow beyond this when they are decompressed.
inline constexpr uint64_t kMaxInflatedSize = uint64_t{2} << 30;

struct LoadSegment {
  uint64_t offset = 0;
  uint64_t address = 0;
  uint64_t file_size = 0;
  uint64_t memory_size = 0;
  uint64_t alignment = 0;
  bool executable = false;
};

// A private, immutable copy of an ELF file. A copy, not a mapping: a file that is truncated while
// it is mapped would kill the reader with SIGBUS.
class ElfFile {
 public:
  // Takes over `bytes`; null if they are no x86 ELF program or library with sane headers.
  static std::shared_ptr<const ElfFile> from_bytes(std::vector<uint8_t> bytes);
  // Null if `path` is no regular file (nothing else is opened for long), unreadable, too large, or
  // as above.
  static std::shared_ptr<const ElfFile> open(const std::string& path);

  [[nodiscard]] const std::vector<uint8_t>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool is_64bit() const noexcept { return is_64bit_; }
  [[nodiscard]] const std::vector<LoadSegment>& segments() const noexcept { return segments_; }

  // The address that the file itself gives to what lies at `file_offset` (what addr2line takes); of
  // the candidates an executable segment wins if `executable`.
  [[nodiscard]] std::optional<uint64_t> address_of(uint64_t file_offset,
                                                   bool executable) const noexcept;
  // The same for what is `distance` bytes behind the beginning of a mapping of the file at
  // `file_offset`, where no bytes of the file are: variables that begin as zero.
  [[nodiscard]] std::optional<uint64_t> zeroed_address(uint64_t file_offset,
                                                       uint64_t distance) const noexcept;
  // The file's own addresses: begin is rounded down as libdwfl does it, so that it is the module's
  // start.
  [[nodiscard]] uint64_t begin_address() const noexcept { return begin_; }
  [[nodiscard]] uint64_t end_address() const noexcept { return end_; }

  // Contents of the first section of that name, empty if there is none.
  [[nodiscard]] std::string_view section(std::string_view name) const noexcept;
  // By its section, or where there are no sections by the program headers; empty if it has none.
  [[nodiscard]] std::string_view build_id() const noexcept;
  // Whether it is of that build, by its section or by its program headers.
  [[nodiscard]] bool has_build_id(std::string_view id) const noexcept;
  struct DebugLink {
    std::string name;  // a bare file name
    uint32_t crc = 0;
  };
  [[nodiscard]] std::optional<DebugLink> debug_link() const;

 private:
  struct Section {
    std::string_view name;
    std::string_view contents;
  };
  explicit ElfFile(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}
  template <typename Types>
  bool parse();
  template <typename Types>
  bool parse_sections();

  std::vector<uint8_t> bytes_;
  bool is_64bit_ = false;
  std::vector<LoadSegment> segments_;
  std::vector<Section> sections_;
  std::string loaded_build_id_;  // what is mapped with it
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

// The identity of the regular file at `path`, nothing for anything else.
[[nodiscard]] std::optional<FileId> identify_file(const std::string& path) noexcept;

// Reads a whole regular file of at most `limit` bytes; nothing on any error. Never waits for a
// FIFO's writer.
[[nodiscard]] std::optional<std::vector<uint8_t>> read_regular_file(const std::string& path,
                                                                    uint64_t limit);

// The checksum of .gnu_debuglink (CRC-32, reflected 0xEDB88320).
[[nodiscard]] uint32_t debug_link_crc(const uint8_t* bytes, size_t size) noexcept;

// The separate debug file of `elf`, found as gdb finds it: by build ID in `debug_path`, then by
// .gnu_debuglink beside `open_path`, in its .debug/, and in `debug_path`; verified. Null if there
// is none.
[[nodiscard]] std::shared_ptr<const ElfFile> find_debug_file(const ElfFile& elf,
                                                             const std::string& open_path,
                                                             const std::string& target_path,
                                                             std::string_view debug_path);

// The debug file of a build, of which nothing else may be there; found in `debug_path`, verified.
[[nodiscard]] std::shared_ptr<const ElfFile> find_debug_file_of_build(std::string_view build_id,
                                                                      bool is_64bit,
                                                                      std::string_view debug_path);

// Files that were opened, by identity, bounded in number and bytes; also remembers what is no ELF.
class ElfCache {
 public:
  [[nodiscard]] std::shared_ptr<const ElfFile> open(const std::string& path, const FileId& id);

 private:
  struct Entry {
    std::shared_ptr<const ElfFile> file;
    uint64_t used = 0;
  };
  void evict();
  std::map<FileId, Entry> files_;
  uint64_t clock_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace kebound::report
