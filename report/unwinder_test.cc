// SPDX-License-Identifier: Apache-2.0
#include "report/unwinder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/testing/capture.h"

namespace kebound::report {
namespace {

using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::IsEmpty;

std::string fixture(const std::string& name) { return std::string(KEBOUND_REPORT_FIXTURES) + "/" + name; }

// The functions of the backtrace that belong to the fixture itself, innermost first.
std::vector<std::string> functions(const testing::Capture& capture, Unwinder::Backtrace* out = nullptr) {
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
  EXPECT_THAT(functions(capture), ElementsAre("pick", "middle", "middle", "middle", "outer", "main"));
}

INSTANTIATE_TEST_SUITE_P(Built, KnownChain,
                         ::testing::Values("chain64", "chain64_nopie", "chain64_static", "chain64_static_pie",
                                           "chain64_compressed", "chain64_dwarf4", "chain64_clang",
                                           "chain64_debuglink", "chain64_frame_pointers", "chain32",
                                           "chain32_nopie", "chain32_static", "chain32_frame_pointers"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace kebound::report
