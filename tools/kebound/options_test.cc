// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace kebound::tool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr Syntax kSyntax{"run", "[--] PROGRAM [ARG]...", "Run it.", "Exit status: its own.\n"};

CommandLine accepted(const std::vector<std::string>& words, const char* environment = nullptr) {
  ParseResult result = parse_command_line(kSyntax, words, environment);
  if (const auto* message = std::get_if<Message>(&result)) {
    ADD_FAILURE() << "refused: " << format_message(*message);
    return {};
  }
  if (std::holds_alternative<HelpText>(result)) {
    ADD_FAILURE() << "taken for --help";
    return {};
  }
  return std::get<CommandLine>(result);
}

std::string refused(const std::vector<std::string>& words, const char* environment = nullptr) {
  const ParseResult result = parse_command_line(kSyntax, words, environment);
  const auto* message = std::get_if<Message>(&result);
  return message != nullptr ? format_message(*message) : "accepted";
}

TEST(Options, DefaultsAreThoseOfTheManual) {
  const CommandLine line = accepted({"prog"});
  EXPECT_THAT(line.options.drivers, IsEmpty());
  EXPECT_FALSE(line.options.on_bound);
  EXPECT_EQ(line.options.profile, nt::Profile::Default);
  EXPECT_EQ(line.options.report, ReportFormat::Text);
  EXPECT_FALSE(line.options.output);
  EXPECT_FALSE(line.options.error_exitcode);
  EXPECT_EQ(line.options.livelock_limit, 10'000U);
  EXPECT_EQ(line.options.calls, "all");
  EXPECT_EQ(line.options.callback_threads, 0U);
  EXPECT_EQ(line.options.pin, supervisor::Options::Pin::Follow);
  EXPECT_EQ(line.options.backtraces, supervisor::Options::Backtraces::First);
  EXPECT_FALSE(line.options.verbose);
}

TEST(Options, EveryOptionIsTakenInBothSpellings) {
  const CommandLine line = accepted(
      {"--driver", "a.so", "--driver=b.so", "--on-bound=clamp", "--profile", "default",
       "--report=jsonl", "-oout", "--error-exitcode", "9", "--livelock-limit=0",
       "--callback-threads", "4", "--pin=none", "--backtraces", "all", "--verbose", "prog", "arg"});
  EXPECT_THAT(line.options.drivers, ElementsAre("a.so", "b.so"));
  EXPECT_EQ(line.options.on_bound, driver::OnBound::Clamp);
  EXPECT_EQ(line.options.report, ReportFormat::JsonLines);
  EXPECT_EQ(line.options.output, "out");
  EXPECT_EQ(line.options.error_exitcode, 9);
  EXPECT_EQ(line.options.livelock_limit, 0U);
  EXPECT_EQ(line.options.callback_threads, 4U);
  EXPECT_EQ(line.options.pin, supervisor::Options::Pin::None);
  EXPECT_EQ(line.options.backtraces, supervisor::Options::Backtraces::All);
  EXPECT_TRUE(line.options.verbose);
  EXPECT_THAT(line.operands, ElementsAre("prog", "arg"));
  EXPECT_EQ(accepted({"--output", "x", "p"}).options.output, "x");
  EXPECT_EQ(accepted({"-o", "x", "p"}).options.output, "x");
}

TEST(Options, OfASingleValueTheLastOneCounts) {
  EXPECT_EQ(accepted({"--report=none", "--report", "jsonl", "p"}).options.report,
            ReportFormat::JsonLines);
}

TEST(Options, WhatFollowsTheProgramIsTheProgramsOwn) {
  EXPECT_THAT(accepted({"prog", "--report=none", "--", "-x"}).operands,
              ElementsAre("prog", "--report=none", "--", "-x"));
  EXPECT_EQ(accepted({"prog", "--report=none"}).options.report, ReportFormat::Text);
  EXPECT_THAT(accepted({"--verbose", "--", "--help"}).operands, ElementsAre("--help"));
  EXPECT_THAT(accepted({"-o", "--", "prog"}).operands, ElementsAre("prog"));  // a file called "--"
  EXPECT_THAT(accepted({"-", "x"}).operands, ElementsAre("-", "x"));
  EXPECT_THAT(accepted({""}).operands, ElementsAre(""));
  EXPECT_THAT(accepted({}).operands, IsEmpty());
}

TEST(Options, ErrorsNameTheOptionTheReasonAndTheWayOut) {
  EXPECT_EQ(refused({"--nonsense", "p"}),
            "kebound: --nonsense: unknown option; see 'kebound run --help'\n");
  EXPECT_EQ(refused({"-x", "p"}), "kebound: -x: unknown option; see 'kebound run --help'\n");
  EXPECT_EQ(refused({"--driver"}),
            "kebound: --driver: a value is missing; see 'kebound run --help'\n");
  EXPECT_EQ(refused({"-o"}), "kebound: -o: a value is missing; see 'kebound run --help'\n");
  EXPECT_EQ(refused({"--driver=", "p"}),
            "kebound: --driver: the value is empty; see 'kebound run --help'\n");
  EXPECT_EQ(refused({"--driver", "", "p"}),
            "kebound: --driver: the file name is empty; see 'kebound run --help'\n");
  EXPECT_EQ(refused({"--verbose=yes", "p"}),
            "kebound: --verbose: takes no value; see 'kebound run --help'\n");
  EXPECT_EQ(refused({"--on-bound", "explode", "p"}),
            "kebound: --on-bound: 'explode' is not one of propagate, clamp, skip, terminate; "
            "see 'kebound run --help'\n");
  EXPECT_THAT(refused({"--report", "--", "p"}), HasSubstr("'--' is not one of text"));
}

TEST(Options, NumbersAreCheckedToTheirLastDigit) {
  for (const char* bad :
       {"0", "256", "-1", "1x", "0x10", " 1", "1.5", "99999999999999999999", "+1"}) {
    EXPECT_THAT(refused({"--error-exitcode", bad, "p"}),
                HasSubstr("is not a number from 1 to 255; see"))
        << bad;
  }
  EXPECT_EQ(accepted({"--livelock-limit", "18446744073709551615", "p"}).options.livelock_limit,
            UINT64_MAX);
  EXPECT_THAT(refused({"--livelock-limit", "18446744073709551616", "p"}),
              HasSubstr("is not a number"));
  EXPECT_THAT(refused({"--callback-threads", "257", "p"}), HasSubstr("from 0 to 256"));
}

TEST(Options, PinTakesOnlyProcessorsThatWeMayUse) {
  EXPECT_THAT(refused({"--pin", "100000", "p"}), HasSubstr("not one that this process may run on"));
  EXPECT_THAT(refused({"--pin", "-1", "p"}),
              HasSubstr("not one of follow, none or a processor number"));
  EXPECT_THAT(refused({"--pin", "fast", "p"}), HasSubstr("not one of follow"));
}

TEST(Options, TheEnvironmentComesFirst) {
  const CommandLine line = accepted({"--report=none", "--driver", "b.so", "p"},
                                    "--report jsonl --driver 'a b.so' --verbose");
  EXPECT_EQ(line.options.report, ReportFormat::None);
  EXPECT_THAT(line.options.drivers, ElementsAre("a b.so", "b.so"));
  EXPECT_TRUE(line.options.verbose);
  EXPECT_THAT(line.operands, ElementsAre("p"));
}

TEST(Options, ErrorsOfTheEnvironmentSaySo) {
  EXPECT_EQ(
      refused({"p"}, "--reprot=none"),
      "kebound: KEBOUND_OPTIONS: --reprot: unknown option; correct or unset KEBOUND_OPTIONS\n");
  EXPECT_THAT(refused({"p"}, "--report wrong"),
              StartsWith("kebound: KEBOUND_OPTIONS: --report: 'wrong' is not one of"));
  EXPECT_THAT(refused({"p"}, "prog"), StartsWith("kebound: KEBOUND_OPTIONS: prog: only options"));
  EXPECT_THAT(refused({"p"}, "--help"),
              StartsWith("kebound: KEBOUND_OPTIONS: --help: only options"));
  EXPECT_THAT(refused({"p"}, "--"), StartsWith("kebound: KEBOUND_OPTIONS: --: only options"));
  EXPECT_THAT(refused({"p"}, "-o 'x"), StartsWith("kebound: KEBOUND_OPTIONS: a ' is not closed"));
  // The command line's own error is told first, and as its own.
  EXPECT_THAT(refused({"--zzz"}, "--reprot"), StartsWith("kebound: --zzz: unknown option; see"));
}

TEST(Options, HelpWorksWhateverTheEnvironmentHolds) {
  EXPECT_TRUE(
      std::holds_alternative<HelpText>(parse_command_line(kSyntax, {"--help"}, "'--broken")));
  EXPECT_TRUE(
      std::holds_alternative<HelpText>(parse_command_line(kSyntax, {"--verbose", "-h"}, nullptr)));
  EXPECT_FALSE(
      std::holds_alternative<HelpText>(parse_command_line(kSyntax, {"prog", "--help"}, nullptr)));
}

TEST(Options, SourcesOfCallsAreNamesOrRefused) {
  EXPECT_EQ(accepted({"--calls", "ubsan,fortify", "p"}).options.calls, "ubsan,fortify");
  EXPECT_EQ(accepted({"--calls=none", "p"}).options.calls, "none");
  EXPECT_THAT(refused({"--calls=nonsense", "p"}),
              StartsWith("kebound: --calls: 'nonsense' is not all, none, or some of ubsan,"));
}

TEST(Options, HelpNamesEveryOptionAndFitsAScreen) {
  const ParseResult result = parse_command_line(kSyntax, {"--help"}, nullptr);
  const std::string& text = std::get<HelpText>(result).text;
  for (const char* option :
       {"--driver FILE", "--on-bound ACTION", "--profile NAME", "--report FORMAT",
        "-o, --output FILE", "--error-exitcode N", "--livelock-limit N", "--calls SOURCES",
        "--callback-threads N",
        "--pin WHERE", "--backtraces WHICH", "--verbose", "-h, --help"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n  ") + option + " "));
  }
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_LE(line.size(), 80U) << line;
  EXPECT_LE(count, 24);
}

TEST(Options, TheWindowsProfileHasNoSecondSlotForTheBuiltIn) {
  EXPECT_THAT(refused({"--profile=windows", "--driver=a.so", "--on-bound=clamp", "p"}),
              StartsWith("kebound: --on-bound: with --driver it needs a second callback"));
  EXPECT_THAT(refused({"--profile=windows", "--driver=a.so", "p"}, "--on-bound=clamp"),
              StartsWith("kebound: --on-bound:"));
  accepted({"--profile=windows", "--on-bound=clamp", "p"});
  accepted({"--profile=windows", "--driver=a.so", "p"});
}

TEST(HostOption, WhatOnlyTheSupervisorHasIsKnownByTheLastValueGiven) {
  const auto only = [](std::vector<std::string> words, const char* environment) {
    words.push_back("true");
    const ParseResult result = parse_command_line({"run", "", "", ""}, words, environment);
    return std::get<CommandLine>(result).options.supervisor_only;
  };
  EXPECT_THAT(only({}, nullptr), IsEmpty());
  EXPECT_THAT(only({"--pin", "none", "--backtraces=none", "--callback-threads=0"}, nullptr),
              IsEmpty());
  EXPECT_THAT(only({"--pin=follow", "--driver=x"}, nullptr), ElementsAre("--driver", "--pin"));
  EXPECT_THAT(only({"--pin=none"}, "--pin follow"), IsEmpty());
  EXPECT_THAT(only({}, "--backtraces all"), ElementsAre("--backtraces"));
}

}  // namespace
}  // namespace kebound::tool
