// SPDX-License-Identifier: Apache-2.0
#include "report/elf_file.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <string.h>

#include <algorithm>
#include <random>

#include "report/module_symbols.h"
#include "report/symbolizer.h"
#include "report/testing/capture.h"
#include "report/vdso.h"

namespace kebound::report {
namespace {

std::string fixture(const std::string& name) {
  return std::string(KEBOUND_REPORT_FIXTURES) + "/" + name;
}

std::vector<uint8_t> bytes_of(const std::string& name) {
  return read_regular_file(fixture(name), kMaxElfSize).value_or(std::vector<uint8_t>());
}

TEST(ElfFile, ChecksumIsTheOneOfGnuDebuglink) {
  const char text[] = "123456789";
  EXPECT_EQ(debug_link_crc(reinterpret_cast<const uint8_t*>(text), 9),
            0xCBF43926u);  // the CRC-32 check value
}

TEST(ElfFile, FindsTheDebugFileByItsLinkAndRejectsAnotherOne) {
  const auto path = fixture("chain64_debuglink");
  const auto elf = ElfFile::open(path);
  ASSERT_TRUE(elf);
  ASSERT_TRUE(elf->debug_link());
  EXPECT_EQ(elf->debug_link()->name, "chain64_debuglink.debug");
  EXPECT_TRUE(find_debug_file(*elf, path, path, ""));
  auto bytes = elf->bytes();
  const auto link = elf->section(".gnu_debuglink");
  bytes[static_cast<size_t>(reinterpret_cast<const uint8_t*>(link.data()) - elf->bytes().data()) +
        link.size() - 1] ^= 1;
  const auto forged = ElfFile::from_bytes(bytes);
  ASSERT_TRUE(forged);
  EXPECT_FALSE(find_debug_file(*forged, path, path, ""));
}

TEST(ElfFile, KnowsTheVdsoOfItsOwnKernel) {
  const auto vdso = vdso_file(true, 0);
  EXPECT_FALSE(vdso);  // another size: another kernel's
}

TEST(ElfFile, RefusesHeadersThatPointOutside) {
  auto good = bytes_of("chain64");
  ASSERT_TRUE(ElfFile::from_bytes(good));
  const auto with = [&](auto change) {
    auto bytes = good;
    Elf64_Ehdr header;
    memcpy(&header, bytes.data(), sizeof header);
    change(header);
    memcpy(bytes.data(), &header, sizeof header);
    return ElfFile::from_bytes(bytes);
  };
  EXPECT_FALSE(with([](auto& header) { header.e_phoff = ~uint64_t{0}; }));
  EXPECT_FALSE(with([](auto& header) { header.e_phoff = ~uint64_t{0} - 8; }));
  EXPECT_FALSE(with([](auto& header) { header.e_phnum = 0xffff; }));
  EXPECT_FALSE(with([](auto& header) { header.e_phentsize = 1; }));
  EXPECT_FALSE(with([](auto& header) { header.e_shoff = ~uint64_t{0} - 63; }));
  EXPECT_FALSE(with([](auto& header) { header.e_shentsize = 0; }));
  EXPECT_FALSE(with([](auto& header) { header.e_machine = EM_AARCH64; }));
  EXPECT_FALSE(with([](auto& header) { header.e_type = ET_REL; }));
  EXPECT_FALSE(with([](auto& header) { header.e_ident[EI_DATA] = ELFDATA2MSB; }));
  EXPECT_FALSE(ElfFile::from_bytes({}));
  EXPECT_FALSE(ElfFile::from_bytes({0x7f, 'E', 'L', 'F'}));
}

TEST(ElfFile, RefusesSectionsThatInflateWithoutEnd) {
  auto bytes = bytes_of("chain64_compressed");
  const auto elf = ElfFile::from_bytes(bytes);
  ASSERT_TRUE(elf);
  const auto info = elf->section(".debug_info");
  ASSERT_GT(info.size(), sizeof(Elf64_Chdr));
  const auto at =
      static_cast<size_t>(reinterpret_cast<const uint8_t*>(info.data()) - elf->bytes().data());
  Elf64_Chdr header;
  memcpy(&header, bytes.data() + at, sizeof header);
  header.ch_size = uint64_t{1} << 40;
  memcpy(bytes.data() + at, &header, sizeof header);
  EXPECT_FALSE(ElfFile::from_bytes(bytes));
}

// Asks everything that a report asks; true if a function was found all the same.
bool exercise(std::vector<uint8_t> bytes, uint64_t address) {
  const auto elf = ElfFile::from_bytes(std::move(bytes));
  if (!elf) return false;
  (void)elf->build_id();
  (void)elf->debug_link();
  (void)elf->address_of(address, true);
  ModuleSymbols symbols(elf, "/nonexistent/program", "/nonexistent/program", "");
  const bool found = !symbols.frames_at(address).empty();
  (void)symbols.frames_at(elf->begin_address());
  (void)symbols.arrays_at(address);
  (void)symbols.function_at(address);
  (void)symbols.function_at(elf->begin_address());
  (void)symbols.frames_at(~uint64_t{0});
  return found;
}

class Mutated : public ::testing::TestWithParam<const char*> {};

TEST_P(Mutated, FilesNeitherCrashNorHang) {
  const auto good = bytes_of(GetParam());
  const auto capture = testing::capture_fault({fixture(GetParam())});
  ASSERT_TRUE(capture.ok);
  Symbolizer symbolizer;
  const uint64_t address =
      symbolizer.locate(*capture.modules, capture.registers.rip).offset.value_or(0);
  ASSERT_NE(address, 0u);
  // Where mistakes hurt: the headers, and the sections that are interpreted.
  const auto elf = ElfFile::from_bytes(good);
  std::vector<std::pair<size_t, size_t>> targets = {{0, 1024}};
  for (const auto* name :
       {".debug_info", ".debug_abbrev", ".debug_line", ".debug_aranges", ".debug_rnglists",
        ".debug_str", ".eh_frame", ".symtab", ".strtab", ".dynsym", ".debug_str_offsets"}) {
    const auto section = elf->section(name);
    if (section.empty()) continue;
    targets.emplace_back(reinterpret_cast<const uint8_t*>(section.data()) - elf->bytes().data(),
                         section.size());
  }
  std::mt19937 random(static_cast<uint32_t>(good.size()));
  int found = 0;
  for (int round = 0; round < 1'500; ++round) {
    auto bytes = good;
    for (size_t count = 1 + random() % 8; count > 0; --count) {
      const auto& [begin, size] = targets[random() % targets.size()];
      const size_t at = begin + random() % size;
      if (at >= bytes.size()) continue;
      switch (random() % 4) {
        case 0:
          bytes[at] ^= static_cast<uint8_t>(1u << random() % 8);
          break;
        case 1:
          bytes[at] = 0xff;
          break;
        case 2:
          bytes[at] = static_cast<uint8_t>(random());
          break;
        default:
          memset(&bytes[at], 0xff, std::min<size_t>(8, bytes.size() - at));
          break;
      }
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    found += exercise(std::move(bytes), address);
  }
  // Most mutations must get past the first checks, else this tests little.
  EXPECT_GT(found, 500);
  EXPECT_LT(found, 1'500);
}

INSTANTIATE_TEST_SUITE_P(Of, Mutated,
                         ::testing::Values("chain64", "chain32", "inlined64", "inlined64_clang",
                                           "chain64_dwarf4"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace kebound::report
