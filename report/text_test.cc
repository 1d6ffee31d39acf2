// SPDX-License-Identifier: Apache-2.0
#include "report/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/testing/records.h"

namespace kebound::report {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::sample_exception;
using ::testing::StartsWith;

// Knows one place: pick(), inlined in main(), guest.c:14.
class FakeResolver final : public Resolver {
 public:
  Location locate(const events::ModuleMap&, uint64_t address) override {
    Location location;
    location.module = "/usr/bin/guest";
    location.offset = address - 0x8048000;
    if (known)
      location.frames = {{"pick", "/src/guest.c", 14, true}, {"main", "/src/guest.c", 30, false}};
    return location;
  }
  std::vector<StackFrame> backtrace(const x86::Registers& registers, const events::StackSnapshot&,
                                    const events::ModuleMap& modules) override {
    return {{registers.rip, locate(modules, registers.rip)},
            {0x8049000, {"/lib/libc.so.6", 0x1000, {}, {}}}};
  }
  bool known = true;
};

class TextReport : public ::testing::Test {
 protected:
  std::string render(const events::Record& record) {
    std::string out;
    renderer().render(record, out);
    return out;
  }
  std::string finish(const Totals& totals) {
    std::string out;
    renderer().finish(totals, 0, out);
    return out;
  }
  TextRenderer& renderer() {
    if (!renderer_) renderer_ = std::make_unique<TextRenderer>(options_, resolver_);
    return *renderer_;
  }
  events::BoundException mapped(bool with_stack = true) {
    auto exception = sample_exception();
    exception.modules = modules_;
    if (with_stack) exception.stack = std::make_shared<events::StackSnapshot>();
    return exception;
  }

  TextOptions options_;
  FakeResolver resolver_;
  std::shared_ptr<events::ModuleMap> modules_ = [] {
    auto map = std::make_shared<events::ModuleMap>();
    map->generation = 7;
    return map;
  }();
  std::unique_ptr<TextRenderer> renderer_;
};

TEST_F(TextReport, DescribesAnExceptionInOneBlock) {
  EXPECT_EQ(render(mapped()),
            "kebound: bound exception: index 12 outside [0, 9] in pick() at guest.c:14\n"
            "    program /usr/bin/guest, process 1000, thread 1001 \"worker\"\n"
            "    at 0x080491d6 (/usr/bin/guest+0x11d6): 62 05 00 a0 04 08  bound %eax, 0x804a000  "
            "(bounds at 0x804a000)\n"
            "    #0  0x080491d6 in pick() /src/guest.c:14 [inlined] (guest+0x11d6)\n"
            "    #1  0x080491d6 in main() /src/guest.c:30 (guest+0x11d6)\n"
            "    #2  0x08049000 (libc.so.6+0x1000)\n"
            "    repair!on_bound -> BoundExceptionHandled (edited the registers)\n"
            "    handled: eax 12 -> 9; runs the check again at 0x80491d6\n");
}

TEST_F(TextReport, WritesIntelSyntaxWhenAsked) {
  options_.intel_syntax = true;
  EXPECT_THAT(render(mapped()), HasSubstr("  bound eax, qword ptr [0x804a000]"));
}

TEST_F(TextReport, SaysWhatItKnowsWhenThereIsNoSymbol) {
  resolver_.known = false;
  EXPECT_THAT(render(mapped(false)),
              StartsWith("kebound: bound exception: index 12 outside [0, 9] at guest+0x11d6\n"));
  EXPECT_THAT(render(sample_exception()), HasSubstr("outside [0, 9] at 0x80491d6\n"));
}

TEST_F(TextReport, SaysHowTheThreadGoesOn) {
  auto skipped = mapped();
  skipped.after = skipped.before;
  skipped.after.rip += skipped.event.instruction_length;
  EXPECT_THAT(render(skipped),
              HasSubstr("    handled: goes on behind the instruction at 0x80491dc\n"));
  auto moved = sample_exception();
  moved.event.ip = moved.before.rip = 0x1000;
  EXPECT_THAT(render(moved), HasSubstr("    handled: eax 12 -> 9; goes on at 0x80491d6\n"));
  auto unchanged = sample_exception();
  unchanged.event.ip = unchanged.before.rip = 0x2000;
  unchanged.after = unchanged.before;
  EXPECT_THAT(render(unchanged),
              HasSubstr("    handled: runs the check again at 0x2000 with nothing changed\n"));
}

TEST_F(TextReport, SaysNothingOfAnIndexThatIsNotKnownAndNamesTheSignalOfACompilersTrap) {
  auto exception = mapped();
  exception.after = exception.before;
  exception.event.source = BoundSource::ClangTrap;
  exception.event.confidence = Confidence::Unknown;
  exception.disposition = events::Disposition::Propagated;
  const std::string text = render(exception);
  EXPECT_THAT(text, StartsWith("kebound: bound exception: an index outside its bounds in pick()"));
  EXPECT_THAT(text, HasSubstr("    propagated: SIGILL to the program\n"));
}

TEST_F(TextReport, SaysWhatBecameOfAnUnhandledException) {
  auto exception = mapped();
  exception.after = exception.before;
  exception.answers.clear();
  exception.disposition = events::Disposition::Propagated;
  EXPECT_THAT(render(exception),
              HasSubstr("    no callback was asked\n    propagated: SIGSEGV to the program\n"));
  exception.disposition = events::Disposition::Terminated;
  exception.reason = "livelock: 10000 exceptions in a row";
  EXPECT_THAT(render(exception), HasSubstr("    terminated: the process ends at once\n    reason: "
                                           "livelock: 10000 exceptions in a row\n"));
}

TEST_F(TextReport, CountsWhatItDescribedBefore) {
  EXPECT_THAT(render(mapped()), Not(IsEmpty()));
  for (int i = 0; i < 9; ++i) EXPECT_THAT(render(mapped(false)), IsEmpty());
  auto other_program = std::make_shared<events::ModuleMap>();
  other_program->generation = 8;  // the same file in another process is the same place
  auto elsewhere = mapped();
  elsewhere.modules = other_program;
  EXPECT_THAT(render(elsewhere), IsEmpty());
  auto propagated = mapped();
  propagated.disposition = events::Disposition::Propagated;
  EXPECT_THAT(render(propagated), Not(IsEmpty()));
  EXPECT_EQ(finish({.exceptions = 12, .handled = 11, .propagated = 1}),
            "kebound: summary: 12 bound exceptions: 11 handled, 1 propagated, 0 terminated\n"
            "            11 x handled    in pick() at guest.c:14 (guest+0x11d6)\n"
            "             1 x propagated in pick() at guest.c:14 (guest+0x11d6)\n");
}

TEST_F(TextReport, TellsEveryRepetitionWhenVerbose) {
  options_.verbose = true;
  render(mapped());
  EXPECT_EQ(
      render(mapped(false)),
      "kebound: again: index 12 outside [0, 9] in pick() at guest.c:14, thread 1001: handled\n");
}

TEST_F(TextReport, DescribesAKnownPlaceAgainForANewReason) {
  render(mapped());
  auto exception = mapped();
  exception.reason = "clamp refused: bounds are reversed";
  EXPECT_THAT(render(exception), HasSubstr("reason: clamp refused: bounds are reversed\n"));
  EXPECT_THAT(render(exception), IsEmpty());
}

TEST_F(TextReport, KeepsDescribingPlacesBoundedWhenATargetMakesThemUp) {
  size_t described = 0;
  for (uint64_t i = 0; i < 12'000; ++i) {
    auto exception = mapped(false);
    exception.event.ip = exception.before.rip = 0x8049000 + i * 8;
    described += render(exception).empty() ? 0 : 1;
  }
  EXPECT_EQ(described, 10'000u);
  EXPECT_THAT(finish({.exceptions = 12'000, .handled = 12'000}),
              HasSubstr("    and 11950 more places\n"));
}

TEST_F(TextReport, MarksABugCheckClearly) {
  events::BugCheckRecord record{
      1, 10, 11, 0x7f, {5, 0, 0, 0}, "repair", "repair!on_bound", "returned 3"};
  EXPECT_EQ(render(record),
            "*** STOP: 0x0000007F (0x0000000000000005, 0x0000000000000000, 0x0000000000000000, "
            "0x0000000000000000) UNEXPECTED_KERNEL_MODE_TRAP\n"
            "***   returned 3\n"
            "***   driver repair, callback repair!on_bound, on behalf of process 10, thread 11\n");
}

TEST_F(TextReport, PrefixesEveryLineOfDriverOutput) {
  EXPECT_EQ(render(events::DriverOutput{1, 0, 0, "repair", 0, 0, "one\r\ntwo\x1b[31m\n"}),
            "[repair] one\n[repair] two\\x1b[31m\n");
  EXPECT_EQ(render(events::DriverOutput{1, 0, 0, "repair", 0, 0, "\n"}), "[repair] \n");
}

TEST_F(TextReport, KeepsComingsAndGoingsForVerbose) {
  EXPECT_THAT(render(events::ProcessStarted{1, 10, 1, "/bin/x", true}), IsEmpty());
  EXPECT_THAT(render(events::DriverLoaded{1, "repair", "/r.so"}), IsEmpty());
  EXPECT_THAT(finish({}), IsEmpty());
  options_.verbose = true;
  renderer_.reset();
  EXPECT_EQ(render(events::ProcessStarted{1, 10, 1, "/bin/x", true}),
            "kebound: process 10 runs /bin/x (64-bit)\n");
  EXPECT_EQ(render(events::ProcessExited{1, 10, true, 11}),
            "kebound: process 10 was killed by signal 11\n");
  EXPECT_EQ(render(events::DriverLoaded{1, "repair", "/r.so"}),
            "kebound: driver repair loaded from /r.so\n");
}

TEST_F(TextReport, ColoursOnlyWhenAsked) {
  EXPECT_THAT(render(mapped()), Not(HasSubstr("\x1b")));
  options_.colour = true;
  renderer_.reset();
  EXPECT_THAT(render(mapped()), HasSubstr("\x1b[32mhandled\x1b[0m"));
}

TEST_F(TextReport, LetsNoTextOfTheTargetSteerTheTerminal) {
  for (const auto& record : testing::one_of_each()) {
    for (const char character : render(record)) {
      EXPECT_TRUE(character == '\n' || static_cast<uint8_t>(character) >= 0x20) << int{character};
    }
  }
}

}  // namespace
}  // namespace kebound::report
