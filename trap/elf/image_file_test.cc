// SPDX-License-Identifier: Apache-2.0
#include "trap/elf/image_file.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "report/elf_file.h"

namespace kebound::elf {
namespace {

struct Bytes {
  std::vector<uint8_t> bytes;
  size_t reads = 0;

  static size_t read_some(void* self, uint64_t offset, void* buffer, size_t size) noexcept {
    auto& file = *static_cast<Bytes*>(self);
    ++file.reads;
    if (offset >= file.bytes.size()) return 0;
    const size_t count = std::min<uint64_t>(size, file.bytes.size() - offset);
    std::memcpy(buffer, file.bytes.data() + offset, count);
    return count;
  }
  [[nodiscard]] MemoryReader reader() { return {this, read_some}; }
};

Bytes contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::vector<uint8_t>(std::istreambuf_iterator<char>(file), {})};
}

bool read(Bytes& file, uint64_t place, ImageFile& out, size_t window = kImageWindow) {
  std::vector<uint8_t> buffer(window);
  return read_image_file(file.reader(), place, buffer.data(), buffer.size(), out);
}

std::string digits_of(const ImageFile& image) {
  std::string text;
  for (size_t i = 0; i < image.build_id_size; ++i) {
    char digits[3];
    snprintf(digits, sizeof digits, "%02x", image.build_id[i]);
    text += digits;
  }
  return text;
}

std::string readelf_build_id(const std::string& path) {
  const std::string command = KEBOUND_READELF " --notes " + path + " 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  char line[512];
  char id[129] = "";
  while (pipe && fgets(line, sizeof line, pipe.get()) != nullptr) {
    if (sscanf(line, " Build ID: %128[0-9a-f]", id) == 1) return id;
  }
  return {};
}

TEST(ImageFile, HasTheBuildIdThatReadelfShows) {
  for (const std::string path :
       {"/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
        "/usr/bin/bash", "/lib32/libc.so.6"}) {
    SCOPED_TRACE(path);
    Bytes file = contents_of(path);
    const std::string expected = readelf_build_id(path);
    ASSERT_EQ(expected.size(), 40u);
    for (const size_t window : {size_t{512}, kImageWindow}) {
      ImageFile image;
      ASSERT_TRUE(read(file, 0, image, window));
      EXPECT_EQ(digits_of(image), expected);
    }
    file.reads = 0;
    ImageFile image;
    ASSERT_TRUE(read(file, 0, image));
    EXPECT_LE(file.reads, 3u) << "the headers are at the beginning";
  }
}

TEST(ImageFile, GivesEveryByteOfASegmentItsAddress) {
  for (const std::string path : {"/usr/bin/bash", "/lib32/libc.so.6"}) {
    Bytes bytes = contents_of(path);
    const auto file = report::ElfFile::open(path);
    ASSERT_NE(file, nullptr);
    for (const auto& segment : file->segments()) {
      for (const uint64_t within : {uint64_t{0}, segment.file_size / 2, segment.file_size - 1}) {
        ImageFile image;
        ASSERT_TRUE(read(bytes, segment.offset + within, image));
        ASSERT_TRUE(image.has_address);
        EXPECT_EQ(image.address, segment.address + within);
      }
    }
    ImageFile image;
    ASSERT_TRUE(read(bytes, bytes.bytes.size(), image));
    EXPECT_FALSE(image.has_address);
  }
}

// A 64-bit file of an ELF header, one note segment, and what a test makes of it.
class MadeFile {
 public:
  MadeFile() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof segment;
    header.e_phnum = 1;
    segment.p_type = PT_NOTE;
    segment.p_offset = sizeof header + sizeof segment;
    segment.p_align = 4;
  }
  void add_note(uint32_t type, const std::string& name, const std::string& contents) {
    const Elf64_Nhdr note = {static_cast<uint32_t>(name.size()),
                             static_cast<uint32_t>(contents.size()), type};
    notes.append(reinterpret_cast<const char*>(&note), sizeof note);
    for (const std::string& part : {name, contents}) {
      notes += part;
      while (notes.size() % segment.p_align != 0) notes += '\0';
    }
    segment.p_filesz = notes.size();
  }
  [[nodiscard]] ImageFile image() const {
    Bytes file;
    const auto append = [&](const void* from, size_t size) {
      const auto* bytes = static_cast<const uint8_t*>(from);
      file.bytes.insert(file.bytes.end(), bytes, bytes + size);
    };
    append(&header, sizeof header);
    append(&segment, sizeof segment);
    append(notes.data(), notes.size());
    ImageFile image;
    is_image = read(file, 0, image);
    EXPECT_LT(file.reads, 1000u);
    return image;
  }
  Elf64_Ehdr header{};
  Elf64_Phdr segment{};
  std::string notes;
  mutable bool is_image = false;
};

const std::string kGnu("GNU", 4);

TEST(ImageFile, FindsTheNoteAmongOthers) {
  for (const unsigned alignment : {4u, 8u}) {
    MadeFile file;
    file.segment.p_align = alignment;
    file.add_note(NT_GNU_BUILD_ID, "Go", "not this one");
    file.add_note(NT_GNU_ABI_TAG, kGnu, "nor this");
    file.add_note(5, kGnu, std::string(12, 'p'));
    file.add_note(NT_GNU_BUILD_ID, kGnu, "\x01\x23\x45");
    EXPECT_EQ(digits_of(file.image()), "012345") << alignment;
  }
}

TEST(ImageFile, TakesNothingOfAnIdThatIsNone) {
  MadeFile empty;
  empty.add_note(NT_GNU_BUILD_ID, kGnu, "");
  EXPECT_EQ(empty.image().build_id_size, 0);
  MadeFile longer;
  longer.add_note(NT_GNU_BUILD_ID, kGnu, std::string(kMaxBuildId + 1, 'x'));
  EXPECT_EQ(longer.image().build_id_size, 0);
  MadeFile whole;
  whole.add_note(NT_GNU_BUILD_ID, kGnu, std::string(kMaxBuildId, 'x'));
  EXPECT_EQ(whole.image().build_id_size, kMaxBuildId);
}

TEST(ImageFile, IsNotLedAstrayByLengths) {
  for (const uint32_t length : {1u, 5u, 0x7fffffffu, 0xfffffff0u, 0xffffffffu}) {
    for (const size_t member : {size_t{0}, size_t{4}}) {
      MadeFile file;
      file.add_note(NT_GNU_BUILD_ID, kGnu, "0123");
      std::memcpy(file.notes.data() + member, &length, sizeof length);
      EXPECT_LE(file.image().build_id_size, kMaxBuildId);
      EXPECT_TRUE(file.is_image);
    }
  }
  for (const uint64_t number : {uint64_t{1}, uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 100}) {
    MadeFile size;
    size.add_note(NT_GNU_ABI_TAG, kGnu, "0123");
    size.segment.p_filesz = number;
    EXPECT_EQ(size.image().build_id_size, 0);
    MadeFile offset;
    offset.add_note(NT_GNU_BUILD_ID, kGnu, "0123");
    offset.segment.p_offset = number;
    EXPECT_EQ(offset.image().build_id_size, 0);
    MadeFile headers;
    headers.header.e_phoff = number;
    EXPECT_EQ(headers.image().build_id_size, 0);
    EXPECT_FALSE(headers.is_image && number > 1);
  }
}

TEST(ImageFile, LooksAtABoundedNumberOfNotesAndSegments) {
  MadeFile notes;
  for (int i = 0; i < 10'000; ++i) notes.add_note(7, kGnu, "");
  notes.add_note(NT_GNU_BUILD_ID, kGnu, "0123");
  EXPECT_EQ(notes.image().build_id_size, 0);
  MadeFile segments;
  segments.header.e_phnum = 0xffff;
  static_cast<void>(segments.image());
  EXPECT_FALSE(segments.is_image);
}

TEST(ImageFile, NeedsAWholeHeaderAndARoomyBuffer) {
  const Bytes whole = contents_of("/usr/bin/bash");
  for (const size_t size : {0, 3, 4, 16, 51, 52, 63, 64, 100}) {
    Bytes cut{{whole.bytes.begin(), whole.bytes.begin() + static_cast<std::ptrdiff_t>(size)}};
    ImageFile image;
    EXPECT_FALSE(read(cut, 0, image)) << size;
    EXPECT_EQ(image.build_id_size, 0);
  }
  Bytes file = whole;
  ImageFile image;
  EXPECT_FALSE(read(file, 0, image, 511));
}

}  // namespace
}  // namespace kebound::elf
