// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "report/elf_file.h"
#include "report/module_symbols.h"

namespace kebound::report {
namespace {

std::string fixture(const std::string& name) {
  return std::string(KEBOUND_REPORT_FIXTURES) + "/" + name;
}

// The arrays around the byte `offset` bytes behind the symbol, innermost first, each as COUNT*SIZE,
// with "+OFFSET" where the byte is not its first. "?" in front: there may be others within. ""
// where none is known.
class Arrays : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto path = fixture(GetParam());
    const auto file = ElfFile::open(path);
    ASSERT_TRUE(file);
    symbols_ = std::make_unique<ModuleSymbols>(file, path, path, "");
    for (const auto& symbol : symbols_->symbols()) addresses_[symbol.name] = symbol.begin;
  }
  std::string at(const std::string& name, uint64_t offset = 0) {
    const auto found = addresses_.find(name);
    if (found == addresses_.end()) return "no symbol " + name;
    const auto arrays = symbols_->arrays_at(found->second + offset);
    if (!arrays) return "";
    std::string text = arrays->more_within == 1 ? "?" : "";
    for (uint32_t i = 0; i < arrays->count; ++i) {
      const auto& level = arrays->levels[i];
      if (i != 0) text += i < arrays->alternatives() ? "|" : " ";
      text += std::to_string(level.count) + "*" + std::to_string(level.element_size);
      if (level.offset != 0) text += "+" + std::to_string(level.offset);
    }
    return text;
  }
  std::unique_ptr<ModuleSymbols> symbols_;
  std::map<std::string, uint64_t> addresses_;
};

TEST_P(Arrays, BeginWhereTheyBegin) {
  EXPECT_EQ(at("ten"), "10*4");
  EXPECT_EQ(at("ten", 4), "10*4+4");
  EXPECT_EQ(at("ten", 39), "10*4+39");
  EXPECT_EQ(at("ten", 40).find("10*4"), std::string::npos);
  const bool is_32 = std::string(GetParam()).find("32") != std::string::npos;
  EXPECT_EQ(at("pointers"), is_32 ? "7*4" : "7*8");
}

TEST_P(Arrays, AreFoundInStructures) {
  EXPECT_EQ(at("outer"), "");
  EXPECT_EQ(at("outer", 4), "5*4");
  EXPECT_EQ(at("outer", 8), "5*4+4");
  EXPECT_EQ(at("outer", 24), "8*1");
  EXPECT_EQ(at("outer", 32), "3*2");
  EXPECT_EQ(at("outer", 38), "") << "padding";
}

TEST_P(Arrays, LieInEachOther) {
  EXPECT_EQ(at("rows"), "4*4 3*16");
  EXPECT_EQ(at("rows", 16), "4*4 3*16+16");
  EXPECT_EQ(at("rows", 24), "4*4+8 3*16+24");
  EXPECT_EQ(at("cube", 2), "5*2+2 3*10+2 2*30+2");
  EXPECT_EQ(at("many"), "6*16") << "an element's first member is no array";
  EXPECT_EQ(at("many", 4), "3*2 6*16+4");
  EXPECT_EQ(at("many", 27), "2*1 6*16+27") << "behind bits, in the second element";
  // Named types of arrays, of arrays.
  EXPECT_EQ(at("named"), "4*4 3*16 2*48");
}

TEST_P(Arrays, LieInTheSamePlaceInUnions) {
  EXPECT_EQ(at("both"), "8*2|4*4");
  EXPECT_EQ(at("both", 4), "8*2+4|4*4+4");
  EXPECT_EQ(at("variants"), "4*2|2*4 5*12");
  EXPECT_EQ(at("variants", 4), "4*2+4|2*4+4 5*12+4");
}

TEST_P(Arrays, AreNotKnownWhereMoreThanOneMayBe) {
  EXPECT_EQ(at("single"), "");
  EXPECT_EQ(at("deep"), "") << "more than an answer has room for";
}

// The linker may have merged it with another one of the same content.
TEST_P(Arrays, AreNotKnownAmongConstants) { EXPECT_EQ(at("constant"), ""); }

INSTANTIATE_TEST_SUITE_P(Compilers, Arrays,
                         ::testing::Values("arrays64", "arrays32", "arrays64_clang",
                                           "arrays64_dwarf4"));

TEST(ArraysWithoutDebugInformation, AreNotKnown) {
  const auto path = fixture("arrays64_plain");
  const auto file = ElfFile::open(path);
  ASSERT_TRUE(file);
  ModuleSymbols symbols(file, path, path, "");
  for (const auto& symbol : symbols.symbols())
    EXPECT_FALSE(symbols.arrays_at(symbol.begin)) << symbol.name;
}

}  // namespace
}  // namespace kebound::report
