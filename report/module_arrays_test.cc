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

// "COUNT*SIZE" of the array that begins `offset` bytes behind the symbol; "" where none is known.
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
    const auto array = symbols_->array_at(found->second + offset);
    if (!array) return "";
    return std::to_string(array->count) + "*" + std::to_string(array->element_size);
  }
  std::unique_ptr<ModuleSymbols> symbols_;
  std::map<std::string, uint64_t> addresses_;
};

TEST_P(Arrays, BeginWhereTheyBegin) {
  EXPECT_EQ(at("ten"), "10*4");
  EXPECT_EQ(at("ten", 4), "");
  EXPECT_EQ(at("ten", 40), "");
  const bool is_32 = std::string(GetParam()).find("32") != std::string::npos;
  EXPECT_EQ(at("pointers"), is_32 ? "7*4" : "7*8");
}

TEST_P(Arrays, AreFoundInStructures) {
  EXPECT_EQ(at("outer"), "");
  EXPECT_EQ(at("outer", 4), "5*4");
  EXPECT_EQ(at("outer", 8), "");
  EXPECT_EQ(at("outer", 24), "8*1");
  EXPECT_EQ(at("outer", 32), "3*2");
}

TEST_P(Arrays, AreNotKnownWhereMoreThanOneMayBe) {
  EXPECT_EQ(at("both"), "");
  EXPECT_EQ(at("rows"), "");
  EXPECT_EQ(at("single"), "");
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
    EXPECT_FALSE(symbols.array_at(symbol.begin)) << symbol.name;
}

}  // namespace
}  // namespace kebound::report
