// SPDX-License-Identifier: Apache-2.0
#include "report/unwinder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "report/testing/capture.h"

namespace kebound::report {
namespace {

using ::testing::ElementsAre;

std::string fixture(const std::string& name) {
  return std::string(KEBOUND_REPORT_FIXTURES) + "/" + name;
}

// The functions of the backtrace that belong to the fixture itself, innermost first.
std::vector<std::string> functions(const testing::Capture& capture,
                                   Unwinder::Backtrace* out = nullptr) {
  Symbolizer symbolizer;
  Unwinder unwinder(symbolizer);
  const auto trace = unwinder.unwind(capture.registers, capture.stack, *capture.modules);
  if (out != nullptr) *out = trace;
  std::vector<std::string> names;
  for (size_t i = 0; i < trace.addresses.size(); ++i) {
    const auto location = symbolizer.locate(*capture.modules, trace.addresses[i], !trace.exact[i]);
    for (const auto& frame : location.frames) {
      if (!frame.function.empty()) names.push_back(frame.function);
      if (frame.function == "main") return names;
    }
  }
  return names;
}

class KnownChain : public ::testing::TestWithParam<const char*> {};

TEST_P(KnownChain, IsNamedFromTheFaultToMain) {
  const auto capture = testing::capture_fault({fixture(GetParam())});
  ASSERT_TRUE(capture.ok) << capture.why;
  EXPECT_THAT(functions(capture),
              ElementsAre("pick", "middle", "middle", "middle", "outer", "main"));
}

INSTANTIATE_TEST_SUITE_P(Built, KnownChain,
                         ::testing::Values("chain64", "chain64_nopie", "chain64_static",
                                           "chain64_static_pie", "chain64_compressed",
                                           "chain64_dwarf4", "chain64_clang", "chain64_debuglink",
                                           "chain64_frame_pointers", "chain32", "chain32_nopie",
                                           "chain32_static", "chain32_frame_pointers"),
                         [](const auto& name) { return std::string(name.param); });

TEST(Unwinder, GoesThroughTheCLibrary) {
  for (const auto* name :
       {"chain64", "chain64_nopie", "chain32", "chain32_nopie", "chain32_static"}) {
    const auto capture = testing::capture_fault({fixture(name), "libc"});
    ASSERT_TRUE(capture.ok) << capture.why;
    const auto names = functions(capture);
    EXPECT_THAT(names, ::testing::Contains("compare")) << name;
    EXPECT_THAT(names, ::testing::Contains("through_libc")) << name;
    EXPECT_EQ(names.back(), "main") << name;
  }
}

TEST(Unwinder, GoesThroughTheFrameOfASignal) {
  for (const auto* name : {"chain64", "chain64_nopie", "chain64_static"}) {
    const auto capture = testing::capture_fault({fixture(name), "signal"});
    ASSERT_TRUE(capture.ok) << capture.why;
    const auto names = functions(capture);
    EXPECT_THAT(names, ::testing::Contains("on_signal")) << name;
    EXPECT_THAT(names, ::testing::Contains("through_signal")) << name;
    EXPECT_EQ(names.back(), "main") << name;
  }
}

TEST(Unwinder, StopsAtItsLimitInADeepRecursion) {
  const auto capture = testing::capture_fault({fixture("chain64"), "deep"});
  ASSERT_TRUE(capture.ok) << capture.why;
  Unwinder::Backtrace trace;
  EXPECT_EQ(functions(capture, &trace).front(), "pick");
  EXPECT_EQ(trace.addresses.size(), kMaxStackFrames);
}

TEST(Unwinder, GivesTheOneCertainFrameWhereItHasNothingToGoBy) {
  auto capture = testing::capture_fault({fixture("chain64")});
  ASSERT_TRUE(capture.ok) << capture.why;
  Symbolizer symbolizer;
  Unwinder unwinder(symbolizer);
  const auto only = std::vector<uint64_t>{capture.registers.rip};
  // Without a stack, without a map, and in 32-bit code of a 64-bit program.
  EXPECT_EQ(unwinder.unwind(capture.registers, {}, *capture.modules).addresses, only);
  events::ModuleMap empty;
  empty.generation = ~uint64_t{0} - 7;
  empty.is_64bit = true;
  EXPECT_EQ(unwinder.unwind(capture.registers, capture.stack, empty).addresses, only);
  capture.registers.cs = 0x23;
  EXPECT_EQ(unwinder.unwind(capture.registers, capture.stack, *capture.modules).addresses, only);
}

TEST(Unwinder, UsesAMapAgainForManyStops) {
  const auto capture = testing::capture_fault({fixture("chain64")});
  ASSERT_TRUE(capture.ok) << capture.why;
  Symbolizer symbolizer;
  Unwinder unwinder(symbolizer);
  const auto first = unwinder.unwind(capture.registers, capture.stack, *capture.modules).addresses;
  EXPECT_GT(first.size(), 6u);
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_EQ(unwinder.unwind(capture.registers, capture.stack, *capture.modules).addresses, first);
  }
}

TEST(Unwinder, SurvivesStacksOfNonsense) {
  auto capture = testing::capture_fault({fixture("chain64")});
  ASSERT_TRUE(capture.ok) << capture.why;
  Symbolizer symbolizer;
  Unwinder unwinder(symbolizer);
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    auto stack = capture.stack;
    auto registers = capture.registers;
    for (auto& byte : stack.bytes) {
      if (random() % 64 == 0) byte = static_cast<uint8_t>(random());
    }
    for (auto& gpr : registers.gpr) {
      if (random() % 4 == 0) gpr = random() % 2 ? random() : ~uint64_t{0} - random() % 32;
    }
    const auto trace = unwinder.unwind(registers, stack, *capture.modules);
    ASSERT_GE(trace.addresses.size(), 1u);
    ASSERT_LE(trace.addresses.size(), kMaxStackFrames);
    ASSERT_EQ(trace.addresses.size(), trace.exact.size());
  }
}

}  // namespace
}  // namespace kebound::report
