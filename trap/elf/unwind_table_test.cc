// SPDX-License-Identifier: Apache-2.0
#include "trap/elf/unwind_table.h"

#include <gtest/gtest.h>
#include <link.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "report/elf_file.h"

namespace kebound::elf {
namespace {

// This process, read as another one would be.
size_t read_self(void*, uint64_t address, void* buffer, size_t size) noexcept {
  const iovec local = {buffer, size};
  const iovec remote = {reinterpret_cast<void*>(address), size};
  const ssize_t count = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
  return count < 0 ? 0 : static_cast<size_t>(count);
}

// A file's segments where they would be mapped, from `bias` on.
class LoadedFile {
 public:
  LoadedFile(const report::ElfFile& file, uint64_t bias)
      : bytes_(file.bytes()), segments_(file.segments()), bias_(bias) {}

  [[nodiscard]] MemoryReader reader() { return {this, read_some}; }
  [[nodiscard]] std::vector<uint8_t>& bytes() { return bytes_; }
  [[nodiscard]] uint64_t base() const {
    for (const auto& segment : segments_) {
      if (segment.offset == 0) return segment.address + bias_;
    }
    return 0;
  }

 private:
  static size_t read_some(void* self, uint64_t address, void* buffer, size_t size) noexcept {
    const LoadedFile& file = *static_cast<LoadedFile*>(self);
    for (const auto& segment : file.segments_) {
      const uint64_t offset = address - file.bias_ - segment.address;
      if (offset >= segment.file_size) continue;
      const size_t count = std::min<uint64_t>(size, segment.file_size - offset);
      std::memcpy(buffer, file.bytes_.data() + segment.offset + offset, count);
      return count;
    }
    return 0;
  }

  std::vector<uint8_t> bytes_;
  std::vector<report::LoadSegment> segments_;
  uint64_t bias_;
};

Image image_of(LoadedFile& file) {
  ProgramHeaders headers;
  Image image;
  EXPECT_TRUE(find_program_headers(file.base(), file.reader(), headers));
  EXPECT_TRUE(read_image(headers, file.reader(), image));
  return image;
}

// Begin and end of every frame description, as readelf reads them.
std::map<uint64_t, uint64_t> readelf_functions(const std::string& path) {
  std::map<uint64_t, uint64_t> functions;
  const std::string command =
      KEBOUND_READELF " --debug-dump=frames --wide " + path + " 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  char line[4096];
  while (pipe && fgets(line, sizeof line, pipe.get()) != nullptr) {
    const char* pc = strstr(line, " FDE ") != nullptr ? strstr(line, " pc=") : nullptr;
    unsigned long long begin = 0;
    unsigned long long end = 0;
    if (pc != nullptr && sscanf(pc, " pc=%llx..%llx", &begin, &end) == 2) functions[begin] = end;
  }
  return functions;
}

void expect_all_functions(const std::string& path, uint64_t bias) {
  SCOPED_TRACE(path);
  const auto file = report::ElfFile::open(path);
  ASSERT_NE(file, nullptr);
  LoadedFile loaded(*file, bias);
  const Image image = image_of(loaded);
  const auto expected = readelf_functions(path);
  ASSERT_GT(expected.size(), 100u);
  ASSERT_EQ(image.function_count, expected.size());
  uint64_t index = 0;
  for (const auto& [begin, end] : expected) {
    const CodeRange range = {begin + bias, end + bias};
    CodeRange found;
    ASSERT_TRUE(function_at(image, index++, loaded.reader(), found)) << std::hex << begin;
    ASSERT_EQ(found, range) << std::hex << begin;
    for (const uint64_t address : {range.begin, range.begin + range.size() / 2, range.end - 1}) {
      ASSERT_TRUE(function_around(image, address, loaded.reader(), found)) << std::hex << address;
      ASSERT_EQ(found, range) << std::hex << address;
    }
    // Behind it is the next function or none.
    const auto next = expected.upper_bound(begin);
    const bool gap = next == expected.end() || next->first != end;
    if (gap) {
      ASSERT_FALSE(function_around(image, range.end, loaded.reader(), found));
    }
  }
}

TEST(UnwindTable, KnowsEveryFunctionThatReadelfKnowsIn64BitImages) {
  expect_all_functions("/lib/x86_64-linux-gnu/libc.so.6", 0x7f1234567000);
  expect_all_functions("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", 0);
  expect_all_functions("/usr/bin/bash", 0x555555554000);
}

TEST(UnwindTable, KnowsEveryFunctionThatReadelfKnowsIn32BitImages) {
  expect_all_functions("/lib32/libc.so.6", 0xf7c00000);
  expect_all_functions("/usr/lib32/libstdc++.so.6", 0);
}

[[gnu::noinline]] int known_function(int x) {
  asm volatile("" : "+r"(x));
  return x + 1;
}

TEST(UnwindTable, FindsAFunctionOfThisProcessByItsHeaders) {
  const MemoryReader memory{nullptr, read_self};
  const auto address = reinterpret_cast<uint64_t>(&known_function);
  struct Found {
    uint64_t address;
    ProgramHeaders headers;
  } found{address, {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& want = *static_cast<Found*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& segment = info->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD ||
              want.address - info->dlpi_addr - segment.p_vaddr >= segment.p_memsz) {
            continue;
          }
          want.headers.address = reinterpret_cast<uint64_t>(info->dlpi_phdr);
          want.headers.count = info->dlpi_phnum;
          want.headers.bias = info->dlpi_addr;
          return 1;
        }
        return 0;
      },
      &found);
  Image image;
  ASSERT_TRUE(read_image(found.headers, memory, image));
  ASSERT_NE(text_around(image, address), nullptr);
  CodeRange range;
  ASSERT_TRUE(function_around(image, address, memory, range));
  EXPECT_EQ(range.begin, address);
  EXPECT_LT(range.size(), 200u);
}

TEST(UnwindTable, AddressesOutsideTheCodeAreInNoFunction) {
  const auto file = report::ElfFile::open("/lib/x86_64-linux-gnu/libc.so.6");
  ASSERT_NE(file, nullptr);
  LoadedFile loaded(*file, 0x10000);
  const Image image = image_of(loaded);
  CodeRange range;
  for (const uint64_t address : {uint64_t{0}, uint64_t{0x10000}, ~uint64_t{0}, image.text[0].end}) {
    EXPECT_FALSE(function_around(image, address, loaded.reader(), range)) << std::hex << address;
    EXPECT_EQ(text_around(image, address), nullptr);
  }
  EXPECT_FALSE(function_at(image, image.function_count, loaded.reader(), range));
  EXPECT_FALSE(function_at(image, ~uint64_t{0}, loaded.reader(), range));
}

TEST(UnwindTable, WhatIsNoElfImageIsRefused) {
  uint8_t bytes[4096] = {};
  const auto read = [](void* self, uint64_t address, void* buffer, size_t size) noexcept -> size_t {
    if (address >= 4096) return 0;
    const size_t count = std::min<size_t>(size, 4096 - address);
    std::memcpy(buffer, static_cast<uint8_t*>(self) + address, count);
    return count;
  };
  const MemoryReader memory{bytes, read};
  ProgramHeaders headers;
  EXPECT_FALSE(find_program_headers(0, memory, headers));
  EXPECT_FALSE(find_program_headers(1 << 20, memory, headers));
  std::memcpy(bytes,
              "\x7f"
              "ELF\x02\x01\x01",
              7);
  bytes[18] = 183;  // aarch64
  EXPECT_FALSE(find_program_headers(0, memory, headers));
  bytes[18] = 62;
  EXPECT_FALSE(find_program_headers(0, memory, headers)) << "no program headers";
  Image image;
  EXPECT_FALSE(read_image(ProgramHeaders{}, memory, image)) << "nothing executable";
}

TEST(UnwindTable, DamageIsNeverBelieved) {
  const auto file = report::ElfFile::open("/lib32/libgcc_s.so.1");
  ASSERT_NE(file, nullptr);
  const LoadedFile intact(*file, 0);
  std::mt19937_64 random(7);
  size_t lost = 0;
  for (int round = 0; round < 3000; ++round) {
    LoadedFile loaded(*file, 0);
    const Image image = image_of(loaded);
    // The table and what it points to, and now and then the headers.
    for (int i = 0; i < 16; ++i) {
      const uint64_t at =
          round % 4 == 0 ? random() % 0x200 : image.header_address + random() % 0x1000;
      if (at < loaded.bytes().size()) loaded.bytes()[at] = static_cast<uint8_t>(random());
    }
    ProgramHeaders headers;
    Image damaged;
    if (!find_program_headers(loaded.base(), loaded.reader(), headers) ||
        !read_image(headers, loaded.reader(), damaged)) {
      ++lost;
      continue;
    }
    for (int i = 0; i < 50; ++i) {
      const uint64_t address = image.text[0].begin + random() % image.text[0].size();
      CodeRange range;
      if (!function_around(damaged, address, loaded.reader(), range)) {
        ++lost;
        continue;
      }
      ASSERT_TRUE(range.contains(address));
      ASSERT_NE(text_around(damaged, range.begin), nullptr);
      ASSERT_LE(range.end, text_around(damaged, range.begin)->end);
    }
  }
  EXPECT_GT(lost, 1000u) << "the damage did not reach the table";
}

}  // namespace
}  // namespace kebound::elf
