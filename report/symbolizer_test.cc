// SPDX-License-Identifier: Apache-2.0
#include "report/symbolizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "report/demangle.h"
#include "report/elf_file.h"
#include "report/module_symbols.h"
#include "report/testing/capture.h"

namespace kebound::report {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;

std::string fixture(const std::string& name) {
  return std::string(KEBOUND_REPORT_FIXTURES) + "/" + name;
}

// The line of `source` that holds `marker`.
uint32_t line_of(const std::string& source, const std::string& marker) {
  std::ifstream file(std::string(KEBOUND_REPORT_SOURCES) + "/" + source);
  uint32_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find(marker) != std::string::npos) return number;
  }
  return 0;
}

Location fault_of(const testing::Capture& capture) {
  Symbolizer symbolizer;
  return symbolizer.locate(*capture.modules, capture.registers.rip);
}

// What binutils says about the same address: "function\nfile:line\n".
std::string addr2line(const std::string& file, uint64_t offset) {
  char command[1024];
  snprintf(command, sizeof command, "addr2line -f -e '%s' 0x%lx", file.c_str(),
           static_cast<unsigned long>(offset));
  FILE* const pipe = popen(command, "r");
  if (pipe == nullptr) return {};
  std::string text(4096, '\0');
  text.resize(fread(text.data(), 1, text.size(), pipe));
  pclose(pipe);
  return text;
}

class BuiltEveryWay : public ::testing::TestWithParam<const char*> {};

TEST_P(BuiltEveryWay, TheFaultingFunctionFileAndLineAreFound) {
  const auto path = fixture(GetParam());
  const auto capture = testing::capture_fault({path});
  ASSERT_TRUE(capture.ok) << capture.why;
  const auto location = fault_of(capture);
  EXPECT_EQ(location.module, path);
  ASSERT_TRUE(location.offset.has_value());
  ASSERT_EQ(location.frames.size(), 1u);
  EXPECT_EQ(location.frames[0].function, "pick");
  EXPECT_THAT(location.frames[0].file, EndsWith("testing/chain.c"));
  EXPECT_EQ(location.frames[0].line, line_of("chain.c", "the failing line"));
  const auto expected =
      "pick\n" + location.frames[0].file + ":" + std::to_string(location.frames[0].line);
  EXPECT_THAT(addr2line(path, *location.offset), ::testing::StartsWith(expected));
}

INSTANTIATE_TEST_SUITE_P(Built, BuiltEveryWay,
                         ::testing::Values("chain64", "chain64_nopie", "chain64_static",
                                           "chain64_static_pie", "chain64_compressed",
                                           "chain64_dwarf4", "chain64_clang", "chain64_debuglink",
                                           "chain32", "chain32_nopie", "chain32_static"),
                         [](const auto& name) { return std::string(name.param); });

TEST(Symbolizer, NamesInlinedFunctionsInnermostFirst) {
  for (const auto* name : {"inlined64", "inlined64_clang"}) {
    const auto capture = testing::capture_fault({fixture(name)});
    ASSERT_TRUE(capture.ok) << capture.why;
    const auto location = fault_of(capture);
    ASSERT_EQ(location.frames.size(), 3u) << name;
    EXPECT_EQ(location.frames[0].function, "shapes::fail()");
    EXPECT_EQ(location.frames[1].function, "shapes::Grid<long>::at(long)");
    EXPECT_EQ(location.frames[2].function, "shapes::Grid<long>::visit(long)");
    EXPECT_EQ(location.frames[0].line, line_of("inlined.cc", "the failing line"));
    EXPECT_EQ(location.frames[1].line, line_of("inlined.cc", "called from at"));
    EXPECT_EQ(location.frames[2].line, line_of("inlined.cc", "called from visit"));
    EXPECT_TRUE(location.frames[0].inlined);
    EXPECT_TRUE(location.frames[1].inlined);
    EXPECT_FALSE(location.frames[2].inlined);
  }
}

TEST(Symbolizer, TellsTheMessageOfATrapFromTheFunctionsAroundIt) {
  for (const auto* name : {"trap_message", "trap_message_clang"}) {
    const auto capture = testing::capture_fault({fixture(name)});
    ASSERT_TRUE(capture.ok) << capture.why;
    EXPECT_EQ(capture.signal, SIGILL);
    const auto location = fault_of(capture);
    EXPECT_EQ(location.trap_message, "Bounds: index_out_of_bounds") << name;
    ASSERT_FALSE(location.frames.empty()) << name;
    EXPECT_EQ(location.frames[0].function, "pick") << name;
    EXPECT_EQ(location.frames[0].line, line_of("trap_message.c", "checked here")) << name;
  }
  if (!std::filesystem::exists(fixture("trap_message_clang19"))) GTEST_SKIP() << "no clang 19";
  const auto capture = testing::capture_fault({fixture("trap_message_clang19")});
  ASSERT_TRUE(capture.ok) << capture.why;
  const auto location = fault_of(capture);
  EXPECT_EQ(location.trap_message, "Bounds: index out of bounds");
  EXPECT_EQ(location.frames.at(0).function, "pick");
  EXPECT_EQ(location.frames.at(0).line, line_of("verbose_trap.c", "checked here"));
}

// The file has no bytes of them, and their memory no name.
TEST(Symbolizer, KnowsArraysThatBeginAsZero) {
  for (const char* const name : {"arrays64", "arrays32"}) {
    const auto path = fixture(name);
    const auto file = ElfFile::open(path);
    ASSERT_TRUE(file);
    ModuleSymbols symbols(file, path, path, "");
    uint64_t large = 0;
    for (const auto& symbol : symbols.symbols()) {
      if (symbol.name == "large") large = symbol.begin;
    }
    ASSERT_NE(large, 0u);
    const auto segment =
        std::find_if(file->segments().begin(), file->segments().end(),
                     [](const auto& one) { return one.memory_size > one.file_size; });
    ASSERT_NE(segment, file->segments().end());
    constexpr uint64_t kBias = 0x10000;
    constexpr uint64_t kPage = 4096;
    const uint64_t file_end = (segment->address + segment->file_size + kPage - 1) & ~(kPage - 1);
    events::ModuleMap modules;
    modules.is_64bit = file->is_64bit();
    events::Mapping data;
    data.begin = (segment->address & ~(kPage - 1)) + kBias;
    data.end = file_end + kBias;
    data.file_offset = segment->offset & ~(kPage - 1);
    data.path = data.open_path = path;
    events::Mapping zeroed;
    zeroed.begin = data.end;
    zeroed.end = zeroed.begin + 16 * kPage;
    modules.mappings = {data, zeroed};
    Symbolizer symbolizer("");
    // The last element lies in a page of its own, and nothing is known behind the file's memory.
    ASSERT_GT(large + 4 * 4999, file_end);
    const auto arrays = symbolizer.arrays_at(modules, large + 4 * 4999 + kBias);
    ASSERT_TRUE(arrays);
    EXPECT_EQ(arrays->levels[0].offset, 4u * 4999);
    EXPECT_EQ(arrays->levels[0].count, 5000u);
    EXPECT_FALSE(symbolizer.arrays_at(modules, zeroed.end - 1));
  }
}

TEST(Symbolizer, KnowsOnlyTheModuleOfAStrippedFunction) {
  const auto capture = testing::capture_fault({fixture("chain64_stripped")});
  ASSERT_TRUE(capture.ok) << capture.why;
  const auto location =
      fault_of(capture);  // pick() is static: not in the dynamic symbols that were left
  EXPECT_EQ(location.module, fixture("chain64_stripped"));
  EXPECT_TRUE(location.offset.has_value());
  EXPECT_THAT(location.frames, IsEmpty());
}

class MovedFile : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kebound-symbolizer-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  // A map with one executable mapping of `open_path`, at 0x10000, of the file's first page of code.
  static std::shared_ptr<events::ModuleMap> map_of(const std::string& path,
                                                   const std::string& open_path) {
    static uint64_t generation = 1'000'000;
    auto map = std::make_shared<events::ModuleMap>();
    map->generation = ++generation;
    map->is_64bit = true;
    map->mappings.push_back({0x10000, 0x12000, 0x1000, true, path, open_path});
    return map;
  }
  std::string directory_;
};

TEST_F(MovedFile, IsReadWhereItCanBeOpenedAndNamedAsTheTargetSeesIt) {
  const auto elf = ElfFile::open(fixture("chain64"));
  ASSERT_TRUE(elf);
  Symbolizer symbolizer;
  const auto map = map_of("/gone/program (deleted)", fixture("chain64"));
  const auto location = symbolizer.locate(*map, 0x10000);
  EXPECT_EQ(location.module, "/gone/program (deleted)");
  EXPECT_EQ(location.offset, elf->address_of(0x1000, true));
}

TEST_F(MovedFile, HasItsDebugInformationByItsBuildId) {
  const auto path = directory_ + "/program";
  std::filesystem::copy_file(fixture("chain64"), path);
  const auto elf = ElfFile::open(path);
  ASSERT_TRUE(elf);
  std::string id;
  for (const char byte : elf->build_id()) {
    char digits[3];
    snprintf(digits, sizeof digits, "%02x", static_cast<uint8_t>(byte));
    id += digits;
  }
  ASSERT_GT(id.size(), 8u);
  const auto folder = directory_ + "/debug/.build-id/" + id.substr(0, 2);
  std::filesystem::create_directories(folder);
  const auto debug = folder + "/" + id.substr(2) + ".debug";
  ASSERT_EQ(system(("objcopy --only-keep-debug " + path + " " + debug).c_str()), 0);
  ASSERT_EQ(system(("strip --strip-all " + path).c_str()), 0);
  const auto capture = testing::capture_fault({path});
  ASSERT_TRUE(capture.ok) << capture.why;
  Symbolizer with(directory_ + "/nowhere:" + directory_ + "/debug");
  const auto location = with.locate(*capture.modules, capture.registers.rip);
  ASSERT_FALSE(location.frames.empty());
  EXPECT_EQ(location.frames[0].function, "pick");
  EXPECT_EQ(location.frames[0].line, line_of("chain.c", "the failing line"));
  // Another program's debug file under that name is not taken.
  std::filesystem::copy_file(fixture("chain64_dwarf4"), debug,
                             std::filesystem::copy_options::overwrite_existing);
  Symbolizer fooled(directory_ + "/debug");
  EXPECT_THAT(fooled.locate(*capture.modules, capture.registers.rip).frames, IsEmpty());
}

TEST_F(MovedFile, IsHonestlyUnknownWhenItIsGoneOrNoFileOrNoElf) {
  Symbolizer symbolizer;
  const auto fifo = directory_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const auto text = directory_ + "/text";
  std::ofstream(text) << std::string(10'000, 'x');
  for (const auto& path : {std::string("/no/such/file"), fifo, text, directory_,
                           std::string("/dev/zero"), std::string()}) {
    const auto location = symbolizer.locate(*map_of("/a/module", path), 0x10010);
    EXPECT_EQ(location.module, "/a/module");
    EXPECT_FALSE(location.offset.has_value()) << path;
    EXPECT_THAT(location.frames, IsEmpty());
  }
  const auto anonymous = map_of("", "");
  EXPECT_EQ(symbolizer.locate(*anonymous, 0x10010).module, "");
  EXPECT_EQ(symbolizer.locate(*anonymous, 0x99999999).module, "");
}

TEST_F(MovedFile, IsReadAgainWhenAnotherVersionTakesItsPlace) {
  const auto path = directory_ + "/program";
  std::filesystem::copy_file(fixture("chain64"), path);
  const auto capture = testing::capture_fault({path});
  ASSERT_TRUE(capture.ok);
  Symbolizer symbolizer;
  EXPECT_EQ(symbolizer.locate(*capture.modules, capture.registers.rip).frames.at(0).function,
            "pick");
  std::filesystem::remove(path);
  std::ofstream(path) << "not an ELF file any more";
  const auto again = testing::capture_fault({fixture("chain64")});
  auto map = std::make_shared<events::ModuleMap>();
  map->generation = ~uint64_t{0} - 1;
  map->is_64bit = true;
  map->mappings = capture.modules->mappings;
  EXPECT_THAT(symbolizer.locate(*map, capture.registers.rip).frames, IsEmpty());
}

TEST_F(MovedFile, OfAnotherBuildHasNamesOnlyByTheDebugFileOfTheRightOne) {
  // The same code in both; the DWARF version makes another build of it.
  const auto path = directory_ + "/program";
  std::filesystem::copy_file(fixture("chain64"), path);
  const auto capture = testing::capture_fault({path});
  ASSERT_TRUE(capture.ok) << capture.why;
  const auto elf = ElfFile::open(path);
  const std::string id(elf->build_id());
  const auto right = fault_of(capture);
  const uint64_t bias = capture.registers.rip - *right.offset;

  static uint64_t generation = 2'000'000;
  const auto map_of_build = [&](const std::string& open_path) {
    auto map = std::make_shared<events::ModuleMap>();
    map->generation = ++generation;
    map->is_64bit = true;
    map->mappings = capture.modules->mappings;
    for (auto& mapping : map->mappings) {
      if (mapping.path != path) continue;
      mapping.open_path = open_path;
      mapping.build_id = id;
      mapping.bias = bias;
    }
    return map;
  };
  const auto debug_folder = directory_ + "/debug";
  Symbolizer symbolizer(debug_folder);
  const auto same = symbolizer.locate(*map_of_build(path), capture.registers.rip);
  ASSERT_FALSE(same.frames.empty());
  EXPECT_EQ(same.frames[0].function, "pick");

  std::filesystem::copy_file(fixture("chain64_dwarf4"), path,
                             std::filesystem::copy_options::overwrite_existing);
  for (const auto& open_path : {path, std::string(), directory_ + "/nothing"}) {
    const auto other = symbolizer.locate(*map_of_build(open_path), capture.registers.rip);
    EXPECT_THAT(other.frames, IsEmpty());
    EXPECT_EQ(other.module, path);
    EXPECT_EQ(other.offset, right.offset);
    EXPECT_EQ(other.build_id, hexadecimal(id));
  }

  const auto digits = hexadecimal(id);
  const auto folder = debug_folder + "/.build-id/" + digits.substr(0, 2);
  std::filesystem::create_directories(folder);
  ASSERT_EQ(system(("objcopy --only-keep-debug " + fixture("chain64") + " " + folder + "/" +
                    digits.substr(2) + ".debug")
                       .c_str()),
            0);
  for (const auto& open_path : {path, std::string()}) {
    const auto found = symbolizer.locate(*map_of_build(open_path), capture.registers.rip);
    ASSERT_FALSE(found.frames.empty());
    EXPECT_EQ(found.frames[0].function, "pick");
    EXPECT_EQ(found.frames[0].line, line_of("chain.c", "the failing line"));
    EXPECT_EQ(found.offset, right.offset);
  }
}

TEST(Demangle, NamesCxxSymbolsAndLeavesOthersAlone) {
  EXPECT_EQ(demangle("_ZN3lib4pickEi"), "lib::pick(int)");
  EXPECT_EQ(demangle("pick"), "pick");
  EXPECT_EQ(demangle("_Znonsense"), "_Znonsense");
  EXPECT_EQ(demangle(""), "");
}

TEST(Demangle, RefusesSymbolsThatExpandWithoutEnd) {
  std::string bomb = "_Z1f";
  for (int i = 0; i < 5'000; ++i) bomb += "PP";
  EXPECT_EQ(demangle(bomb.c_str()), bomb);
}

}  // namespace
}  // namespace kebound::report
