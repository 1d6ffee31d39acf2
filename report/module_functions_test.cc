// SPDX-License-Identifier: Apache-2.0
#include "report/module_functions.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "report/elf_file.h"
#include "report/module_symbols.h"
#include "trap/x86/registers.h"

namespace kebound::report {
namespace {

using x86::Compiler;
using x86::FunctionFacts;
using x86::IndexChecks;
using x86::Linkage;

// What is known of the functions of testing/functions.c in one of its builds.
class Functions {
 public:
  explicit Functions(const std::string& fixture) {
    const auto path = std::string(KEBOUND_REPORT_FIXTURES) + "/" + fixture;
    const auto file = ElfFile::open(path);
    if (!file) return;
    symbols_ = std::make_unique<ModuleSymbols>(file, path, path, "");
    for (const auto& symbol : symbols_->symbols()) addresses_[symbol.name] = symbol.begin;
  }
  FunctionFacts of(const std::string& name, uint64_t offset = 0) {
    const auto found = addresses_.find(name);
    EXPECT_NE(found, addresses_.end()) << name;
    if (found == addresses_.end()) return {};
    return symbols_->function_at(found->second + offset).value_or(FunctionFacts());
  }

 private:
  std::unique_ptr<ModuleSymbols> symbols_;
  std::map<std::string, uint64_t> addresses_;
};

// "rdi:i32 rsi:u8", of all registers that have one.
std::string parameters(const FunctionFacts& facts) {
  static constexpr const char* kNames[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                             "rsi", "rdi", "r8",  "r9",  "r10", "r11",
                                             "r12", "r13", "r14", "r15"};
  std::string text;
  for (unsigned i = 0; i < 16; ++i) {
    const auto& one = facts.parameters[i];
    if (one.bits == 0) continue;
    if (!text.empty()) text += ' ';
    text += std::string(kNames[i]) + (one.is_signed ? ":i" : ":u") + std::to_string(one.bits);
  }
  return text;
}

class FunctionsOfCompilers : public ::testing::TestWithParam<const char*> {};

TEST_P(FunctionsOfCompilers, AreGivenNumbersInRegisters) {
  Functions functions(GetParam());
  EXPECT_EQ(parameters(functions.of("of_numbers")), "rcx:i16 rdx:u64 rsi:u8 rdi:i32");
  EXPECT_EQ(parameters(functions.of("of_others")), "rcx:i64");
  EXPECT_EQ(parameters(functions.of("of_a_structure")), "rdx:u32");
  EXPECT_EQ(parameters(functions.of("own")), "rsi:i64 rdi:i32");
}

TEST_P(FunctionsOfCompilers, AreGivenNothingWhereTheyDoNotBegin) {
  Functions functions(GetParam());
  const auto facts = functions.of("of_numbers", 1);
  EXPECT_EQ(parameters(facts), "");
  EXPECT_EQ(facts.linkage, Linkage::Unknown);
  EXPECT_NE(facts.compiler, Compiler::Unknown);
}

TEST_P(FunctionsOfCompilers, AreCalledByOthersIfTheirSymbolsSaySo) {
  Functions functions(GetParam());
  EXPECT_EQ(functions.of("of_numbers").linkage, Linkage::Global);
  EXPECT_EQ(functions.of("replaceable").linkage, Linkage::Global);
  EXPECT_EQ(functions.of("own").linkage, Linkage::Local);
}

INSTANTIATE_TEST_SUITE_P(Builds, FunctionsOfCompilers,
                         ::testing::Values("functions64", "functions64_dwarf4",
                                           "functions64_clang"));

// On the stack, all but those of functions that nobody else calls.
TEST(FunctionsOf32Bits, AreGivenNothingInRegisters) {
  for (const char* const name : {"functions32", "functions32_clang"}) {
    Functions functions(name);
    EXPECT_EQ(parameters(functions.of("of_numbers")), "") << name;
    EXPECT_EQ(functions.of("of_numbers").linkage, Linkage::Global) << name;
    EXPECT_EQ(functions.of("own").linkage, Linkage::Local) << name;
  }
  EXPECT_EQ(parameters(Functions("functions32_clang").of("own")), "rcx:i32 rdx:i32");
}

TEST(FunctionsWithoutDebugInformation, HaveSymbols) {
  Functions functions("functions64_plain");
  FunctionFacts global;
  global.linkage = Linkage::Global;
  EXPECT_EQ(functions.of("of_numbers"), global);
  EXPECT_EQ(functions.of("own").linkage, Linkage::Local);
  EXPECT_EQ(Functions("functions64_stripped").of("of_numbers"), global);
}

TEST(FunctionsCompiler, IsTheOneOfTheirUnit) {
  const auto gcc = Functions("functions64").of("own");
  EXPECT_EQ(gcc.compiler, Compiler::Gcc);
  EXPECT_EQ(gcc.version, __GNUC__);
  EXPECT_EQ(gcc.checks, IndexChecks::No);
  EXPECT_EQ(Functions("functions64_dwarf4").of("own").checks, IndexChecks::Yes);
  const auto clang = Functions("functions32_clang").of("own");
  EXPECT_EQ(clang.compiler, Compiler::Clang);
  EXPECT_GE(clang.version, 14);
  EXPECT_EQ(clang.checks, IndexChecks::Unknown);
}

FunctionFacts made_by(const char* producer) {
  FunctionFacts facts;
  read_producer(producer, facts);
  return facts;
}

TEST(Producers, OfClangAreCountedWhereTheyCountAsItDoes) {
  const struct {
    const char* producer;
    unsigned version;
  } cases[] = {
      {"clang version 17.0.6", 17},
      {"Debian clang version 14.0.6", 14},
      {"Ubuntu clang version 18.1.3 (1ubuntu1)", 18},
      {"clang version 19.1.7 (Fedora 19.1.7-1.fc41)", 19},
      {"Apple clang version 15.0.0 (clang-1500.3.9.4)", 0},
      {"AMD clang version 14.0.0 (CLANG: AOCC_4.0.0)", 0},
      {"clang LLVM (rustc version 1.77.0)", 0},
      {"clang version trunk", 0},
      {"clang version 99999999", 0},
      {"Debian clang version ", 0},
  };
  for (const auto& one : cases) {
    const auto facts = made_by(one.producer);
    EXPECT_EQ(facts.compiler, Compiler::Clang) << one.producer;
    EXPECT_EQ(facts.version, one.version) << one.producer;
    EXPECT_EQ(facts.checks, IndexChecks::Unknown) << one.producer;
  }
}

TEST(Producers, OfGccSayWhatTheyWereTold) {
  const struct {
    const char* producer;
    unsigned version;
    IndexChecks checks;
  } cases[] = {
      {"GNU C17 12.2.0 -mtune=generic -march=x86-64 -g -O2", 12, IndexChecks::No},
      {"GNU C++20 14.1.0", 14, IndexChecks::Unknown},
      {"GNU C11 9.4.0 -m32 -O2 -fsanitize=bounds -fsanitize-undefined-trap-on-error", 9,
       IndexChecks::Yes},
      {"GNU C17 13.2.0 -O2 -fsanitize=undefined -fsanitize-trap=undefined", 13, IndexChecks::Yes},
      {"GNU C17 13.2.0 -O2 -fsanitize=bounds", 13, IndexChecks::No},
      {"GNU C17 13.2.0 -O2 -fsanitize=address", 13, IndexChecks::No},
      {"GNU GIMPLE 12.2.0 -m64 -g -O2 -fltrans", 12, IndexChecks::Unknown},
  };
  for (const auto& one : cases) {
    const auto facts = made_by(one.producer);
    EXPECT_EQ(facts.compiler, Compiler::Gcc) << one.producer;
    EXPECT_EQ(facts.version, one.version) << one.producer;
    EXPECT_EQ(facts.checks, one.checks) << one.producer;
  }
}

TEST(Producers, OfOthersAreUnknown) {
  for (const char* const producer : {"", "GNU", "GNU AS 2.40", "GNU Fortran2008 12.2.0 -O2",
                                     "tcc 0.9.27", "GNU C", "Go cmd/compile go1.22"}) {
    EXPECT_EQ(made_by(producer), FunctionFacts()) << producer;
  }
}

}  // namespace
}  // namespace kebound::report
