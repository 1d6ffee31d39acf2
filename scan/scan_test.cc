// SPDX-License-Identifier: Apache-2.0
#include "scan/scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "scan/names.h"

namespace kebound::scan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string fixture(const std::string& name) {
  return std::string(KEBOUND_SCAN_FIXTURES) + "/" + name;
}

Result scan_file(const std::string& path) {
  Refusal refusal;
  const auto image = Image::open(path, refusal);
  EXPECT_NE(image, nullptr) << path << ": " << refusal.why;
  if (!image) return {};
  Names names(*image, path);
  Result result = scan_image(*image, &names);
  result.image.path = path;
  return result;
}

// Function and what its checks compare, in the order of addresses.
std::multimap<std::string, std::string> comparisons(const Result& result) {
  std::multimap<std::string, std::string> out;
  for (const Check& check : result.checks) {
    out.emplace(result.functions[check.function].name,
                check.limit.empty() ? "?" : (check.limit_passes ? "<= " : "< ") + check.limit);
  }
  return out;
}

std::set<std::string> unguarded_names(const Result& result) {
  std::set<std::string> names;
  for (const size_t i : unguarded_functions(result)) names.insert(result.functions[i].name);
  return names;
}

// The functions of checks.c of which `count` checks are expected in all.
std::map<std::string, size_t> counts(const Result& result) {
  std::map<std::string, size_t> out;
  for (const FunctionResult& function : result.functions) {
    if (function.checks > 0) out[function.name] = function.checks;
  }
  return out;
}

const std::map<std::string, size_t> kCheckedFunctions = {
    {"pick", 1}, {"pick_byte", 1}, {"variable_length", 1}, {"member", 1}, {"two_dimensions", 2}};

class ChecksOfEveryCompiler : public testing::TestWithParam<const char*> {};

TEST_P(ChecksOfEveryCompiler, AreAllFoundWithFunctionAndLine) {
  const Result result = scan_file(fixture(GetParam()));
  EXPECT_EQ(counts(result), kCheckedFunctions);
  EXPECT_EQ(result.checks.size(), 6u);
  static const std::map<std::string, uint32_t> kLines = {{"pick", 18},
                                                         {"pick_byte", 19},
                                                         {"variable_length", 23},
                                                         {"member", 26},
                                                         {"two_dimensions", 28}};
  for (const Check& check : result.checks) {
    EXPECT_EQ(check.kind, CheckKind::ArrayBounds);
    EXPECT_THAT(check.place.file, testing::EndsWith("checks.c"));
    const std::string& name = result.functions[check.function].name;
    EXPECT_EQ(check.place.line, kLines.at(name)) << name;
    EXPECT_LT(check.address, check.failure == check.address ? check.address + 1 : ~uint64_t{0});
  }
  EXPECT_TRUE(result.image.has_lines);
}

INSTANTIATE_TEST_SUITE_P(Scan, ChecksOfEveryCompiler,
                         testing::Values("gcc_o0", "gcc_o2", "gcc_o2_fixed", "gcc_m32",
                                         "gcc_library", "clang_o0", "clang_o2", "clang_m32",
                                         "ubsan", "ubsan_abort", "ubsan_minimal", "split"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Scan, TrapsOfGccAreKnownByTheirCompares) {
  const Result result = scan_file(fixture("gcc_o2"));
  EXPECT_THAT(
      comparisons(result),
      testing::IsSupersetOf({std::pair<const std::string, std::string>("pick", "<= 9"),
                             std::pair<const std::string, std::string>("pick_byte", "<= 99"),
                             std::pair<const std::string, std::string>("member", "<= 4"),
                             std::pair<const std::string, std::string>("two_dimensions", "<= 2"),
                             std::pair<const std::string, std::string>("two_dimensions", "<= 3")}));
  for (const Check& check : result.checks) {
    EXPECT_EQ(check.source, BoundSource::CheckTrap);
    EXPECT_EQ(check.known, Known::Certain);
    EXPECT_TRUE(check.resumable) << check.why;
    EXPECT_NE(check.branch, 0u);
    EXPECT_NE(check.index, "");
  }
  EXPECT_EQ(result.other_traps, 0u);
}

TEST(Scan, ArraysDecideWhereTheCodeDoesNot) {
  const auto known = [](const Result& result) {
    std::map<std::string, Known> out;
    for (const Check& check : result.checks) {
      if (check.source == BoundSource::ClangTrap) {
        out[result.functions[check.function].name] = check.known;
      }
    }
    return out;
  };
  EXPECT_THAT(known(scan_file(fixture("arrays"))),
              ElementsAre(std::pair("member", Known::Certain), std::pair("sum", Known::No)));
  Refusal refusal;
  const auto image = Image::open(fixture("arrays"), refusal);
  ASSERT_NE(image, nullptr) << refusal.why;
  EXPECT_THAT(known(scan_image(*image, nullptr)),
              ElementsAre(std::pair("member", Known::No), std::pair("sum", Known::No)));
}

TEST(Scan, AStrippedProgramLosesNamesOnly) {
  const Result named = scan_file(fixture("gcc_o2"));
  const Result stripped = scan_file(fixture("gcc_o2_stripped"));
  EXPECT_FALSE(stripped.image.has_symbols);
  EXPECT_FALSE(stripped.image.has_lines);
  ASSERT_EQ(stripped.checks.size(), named.checks.size());
  for (size_t i = 0; i < stripped.checks.size(); ++i) {
    EXPECT_EQ(stripped.checks[i].index, named.checks[i].index);
    EXPECT_EQ(stripped.checks[i].limit, named.checks[i].limit);
    EXPECT_EQ(stripped.checks[i].known, named.checks[i].known);
  }
  EXPECT_EQ(unguarded_functions(stripped).size(), unguarded_functions(named).size());
  EXPECT_EQ(scan_file(fixture("gcc_m32_stripped")).checks.size(), 6u);
}

TEST(Scan, WithoutSectionHeadersTheSegmentsDo) {
  auto bytes = report::read_regular_file(fixture("gcc_o2_stripped"), 1 << 24);
  ASSERT_TRUE(bytes);
  memset(bytes->data() + 0x28, 0, 8);  // e_shoff
  memset(bytes->data() + 0x3c, 0, 4);  // e_shnum, e_shstrndx
  Refusal refusal;
  const auto image = Image::from_bytes(std::move(*bytes), refusal);
  ASSERT_NE(image, nullptr) << refusal.why;
  EXPECT_EQ(scan_image(*image, nullptr).checks.size(), 6u);
}

TEST(Scan, WithoutUnwindTableTheSymbolsDo) {
  const Result result = scan_file(fixture("gcc_o2_no_table"));
  EXPECT_EQ(counts(result), kCheckedFunctions);
}

TEST(Scan, FunctionsThatIndexWithoutAnyCheckAreListed) {
  EXPECT_THAT(unguarded_names(scan_file(fixture("gcc_o2"))), ElementsAre("unchecked"));
  EXPECT_THAT(unguarded_names(scan_file(fixture("clang_o2"))), ElementsAre("unchecked"));
  EXPECT_THAT(unguarded_names(scan_file(fixture("none_o2"))),
              testing::IsSupersetOf({"unchecked", "pick", "member"}));
  EXPECT_THAT(unguarded_names(scan_file(fixture("none_o2"))),
              testing::Not(testing::Contains("choose")))
      << "a switch's table is the compiler's";
  EXPECT_EQ(scan_file(fixture("none_o2")).checks.size(), 0u);
}

TEST(Scan, CallsOfUbsanSayWhetherTheyComeBack) {
  for (const Check& check : scan_file(fixture("ubsan")).checks) {
    EXPECT_EQ(check.source, BoundSource::UbsanHandler);
    EXPECT_EQ(check.callee, "__ubsan_handle_out_of_bounds");
    EXPECT_EQ(check.known, Known::Arguments);
    EXPECT_THAT(check.why, HasSubstr("returns"));
    EXPECT_FALSE(check.resumable);
  }
  for (const Check& check : scan_file(fixture("ubsan_abort")).checks) {
    EXPECT_EQ(check.callee, "__ubsan_handle_out_of_bounds_abort");
    EXPECT_THAT(check.why, HasSubstr("does not return"));
  }
  for (const Check& check : scan_file(fixture("ubsan_minimal")).checks) {
    EXPECT_EQ(check.known, Known::No);
  }
}

std::multiset<std::string> callees(const Result& result) {
  std::multiset<std::string> out;
  for (const Check& check : result.checks) out.insert(check.callee);
  return out;
}

TEST(Scan, FortifiedCallsAreFoundThroughEveryKindOfLinkage) {
  for (const char* name :
       {"fortified", "fortified_no_plt", "fortified_stripped", "fortified_m32_no_plt"}) {
    SCOPED_TRACE(name);
    const auto found = callees(scan_file(fixture(name)));
    EXPECT_EQ(found.count("__strcpy_chk"), 1u);
    EXPECT_EQ(found.count("__memcpy_chk"), 1u);
    EXPECT_EQ(found.count("__snprintf_chk"), 1u);
    EXPECT_EQ(found.count("__printf_chk"), 0u) << "it checks its format";
  }
  EXPECT_THAT(
      callees(scan_file(fixture("fortified"))),
      UnorderedElementsAre("__strcpy_chk", "__memcpy_chk", "__snprintf_chk", "__stack_chk_fail"));
  EXPECT_THAT(callees(scan_file(fixture("fortified_m32"))),
              UnorderedElementsAre("__strcpy_chk", "__memcpy_chk", "__snprintf_chk",
                                   "__stack_chk_fail_local"));
}

TEST(Scan, FortifiedCallsHaveTheLineOfTheirCaller) {
  for (const Check& check : scan_file(fixture("fortified")).checks) {
    EXPECT_THAT(check.place.file, testing::EndsWith("fortified.c")) << check.callee;
    if (check.callee == "__strcpy_chk") {
      EXPECT_EQ(check.place.line, 11u);
    }
    if (check.callee == "__memcpy_chk") {
      EXPECT_EQ(check.place.line, 12u);
    }
  }
}

TEST(Scan, InAStaticProgramOnlyItsOwnCallsCount) {
  const Result result = scan_file(fixture("fortified_static"));
  std::multiset<std::string> own;
  for (const Check& check : result.checks) {
    if (result.functions[check.function].name == "main") own.insert(check.callee);
    EXPECT_NE(result.functions[check.function].name, "__memcpy_chk");
  }
  EXPECT_THAT(own, UnorderedElementsAre("__strcpy_chk", "__memcpy_chk", "__snprintf_chk",
                                        "__stack_chk_fail"));
}

TEST(Scan, LibstdcxxAssertionsHaveTheUsersLine) {
  const Result result = scan_file(fixture("libstdcxx"));
  ASSERT_EQ(result.checks.size(), 2u);
  std::set<uint32_t> lines;
  for (const Check& check : result.checks) {
    EXPECT_EQ(check.source, BoundSource::LibstdcxxAssertion);
    EXPECT_THAT(check.place.file, testing::EndsWith("containers.cc"));
    lines.insert(check.place.line);
  }
  EXPECT_THAT(lines, ElementsAre(10u, 11u));
}

TEST(Scan, AHardenedLibrarysTrapIsKnownByItsMessage) {
  const Result result = scan_file(fixture("traps"));
  ASSERT_EQ(result.checks.size(), 1u);
  EXPECT_EQ(result.checks[0].source, BoundSource::LibcxxHardening);
  EXPECT_EQ(result.checks[0].message, "index_out_of_bounds");
  EXPECT_EQ(result.checks[0].limit, "9");
  EXPECT_EQ(result.other_traps, 3u) << "a null check and two overflows";
  EXPECT_FALSE(result.image.unique_traps);
  // Without debug information it is a compare that leads to a trap.
  const Result bare = scan_file(fixture("traps_no_debug"));
  ASSERT_EQ(bare.checks.size(), 1u);
  EXPECT_EQ(bare.checks[0].source, BoundSource::CheckTrap);
}

TEST(Scan, NumberedTrapsAreNotTakenForKinds) {
  const Result result = scan_file(fixture("traps_numbered"));
  EXPECT_TRUE(result.image.unique_traps);
  for (const Check& check : result.checks) EXPECT_NE(check.source, BoundSource::ClangTrap);
  EXPECT_THAT(text_report(result, false), HasSubstr("-ubsan-unique-traps"));
}

TEST(Scan, ABoundInstructionIsACheck) {
  const Result result = scan_file(fixture("bound_m32"));
  ASSERT_EQ(result.checks.size(), 1u);
  EXPECT_EQ(result.checks[0].source, BoundSource::X86Bound);
  EXPECT_TRUE(result.checks[0].resumable);
  EXPECT_EQ(result.functions[result.checks[0].function].name, "pick");
}

TEST(Scan, ARealLibraryIsUnderstoodToTheLastByte) {
  for (const char* path : {"/lib/x86_64-linux-gnu/libm.so.6",
                           "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/lib32/libc.so.6"}) {
    SCOPED_TRACE(path);
    Refusal refusal;
    const auto image = Image::open(path, refusal);
    ASSERT_NE(image, nullptr) << refusal.why;
    const Result result = scan_image(*image, nullptr);
    EXPECT_GT(result.functions.size(), 500u);
    EXPECT_LT(result.image.unknown_bytes, result.image.code_bytes / 10'000);
    EXPECT_GT(unguarded_functions(result).size(), 20u);
    // Each check lies in the function that it is said to lie in.
    for (const Check& check : result.checks) {
      const uint64_t at = check.branch != 0 ? check.branch : check.failure;
      EXPECT_GE(at, result.functions[check.function].begin);
      EXPECT_LT(at, result.functions[check.function].end);
    }
  }
}

TEST(Scan, WhatCannotBeScannedIsSaid) {
  const auto why = [](const std::string& path) {
    Refusal refusal;
    EXPECT_EQ(Image::open(path, refusal), nullptr) << path;
    return refusal.why;
  };
  EXPECT_THAT(why(fixture("object.o")), HasSubstr("object file"));
  EXPECT_THAT(why(fixture("no such file")), HasSubstr("No such file"));
  EXPECT_THAT(why("/"), HasSubstr("no regular file"));
  EXPECT_THAT(why("/etc/passwd"), HasSubstr("no ELF file"));
  EXPECT_THAT(why(fixture("split.debug")), HasSubstr("separate debug file"));
}

TEST(Scan, EveryTruncationAndOtherMachinesAreRefusedOrScanned) {
  const auto bytes = report::read_regular_file(fixture("gcc_m32_stripped"), 1 << 24);
  ASSERT_TRUE(bytes);
  size_t refused = 0;
  for (size_t size = 0; size < bytes->size(); size += 97) {
    Refusal refusal;
    const auto image =
        Image::from_bytes({bytes->begin(), bytes->begin() + static_cast<long>(size)}, refusal);
    if (image) {
      EXPECT_LE(scan_image(*image, nullptr).checks.size(), 6u);
    } else {
      ++refused;
      EXPECT_NE(refusal.why, "");
      EXPECT_NE(refusal.remedy, "");
    }
  }
  EXPECT_GT(refused, 100u);
  auto other = *bytes;
  other[18] = 183;
  Refusal refusal;
  EXPECT_EQ(Image::from_bytes(std::move(other), refusal), nullptr);
  EXPECT_THAT(refusal.why, HasSubstr("AArch64"));
}

TEST(Scan, TheJsonReportSaysTheSameAsTheResult) {
  const Result result = scan_file(fixture("gcc_o2"));
  const auto json = nlohmann::json::parse(json_report(result));
  EXPECT_EQ(json["totals"]["checks"], 6);
  EXPECT_EQ(json["totals"]["resumable"], 6);
  EXPECT_EQ(json["totals"]["by_kind"]["array-bounds"], 6);
  EXPECT_EQ(json["checks"].size(), 6u);
  EXPECT_EQ(json["unchecked_functions"].size(), 1u);
  EXPECT_EQ(json["unchecked_functions"][0]["function"], "unchecked");
  EXPECT_EQ(json["files"][0]["checks"], 6);
}

TEST(Scan, TheTextReportNamesEachCheck) {
  const std::string text = text_report(scan_file(fixture("gcc_o2")), false);
  EXPECT_THAT(text, HasSubstr("pick (checks.c:18): 1 check"));
  EXPECT_THAT(text, HasSubstr("6 bounds checks in 5 functions"));
  EXPECT_THAT(text, HasSubstr("unchecked (checks.c:29): 1 access"));
}

}  // namespace
}  // namespace kebound::scan
