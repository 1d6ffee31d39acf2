// SPDX-License-Identifier: Apache-2.0
#include "report/recorded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "report/escape.h"
#include "report/jsonl.h"
#include "report/render_recorded.h"
#include "report/testing/fake_resolver.h"
#include "report/testing/records.h"

namespace kebound::report {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// A file of its own, gone with its descriptor.
int file_of(const std::string& text) {
  const int fd = memfd_create("recorded", MFD_CLOEXEC);
  EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  lseek(fd, 0, SEEK_SET);
  return fd;
}

std::string contents_of(int fd) {
  std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  return text;
}

std::string recording() {
  testing::FakeResolver resolver;
  JsonlRenderer renderer(resolver);
  std::string text;
  for (const auto& record : testing::one_of_each()) renderer.render(record, text);
  for (int i = 0; i < 3; ++i) {
    auto exception = testing::sample_exception();
    auto modules = std::make_shared<events::ModuleMap>();
    modules->generation = static_cast<uint64_t>(i);
    exception.modules = modules;
    if (i != 1) exception.stack = std::make_shared<events::StackSnapshot>();
    renderer.render(exception, text);
  }
  Totals totals;
  totals.exceptions = totals.handled = 9;
  totals.bug_checks = 6;
  totals.verifier = 3;
  totals.missing = 5;
  renderer.finish(totals, 77, text);
  return text;
}

struct Rendered {
  RenderedReport result;
  std::string text;
};

Rendered render(const std::string& input, Format format) {
  const int in = file_of(input);
  const int out = memfd_create("rendered", MFD_CLOEXEC);
  Options options;
  options.format = format;
  options.fd = out;
  RecordedFile file(in);
  Rendered rendered;
  rendered.result = render_recorded(file, options);
  rendered.text = contents_of(out);
  close(in);
  close(out);
  return rendered;
}

TEST(RecordedEvents, ComeBackAsTheyWereWritten) {
  const auto original = recording();
  const auto again = render(original, Format::Jsonl);
  EXPECT_EQ(again.result.kind, RenderedReport::Kind::Done) << again.result.why;
  EXPECT_TRUE(again.result.has_summary);
  EXPECT_EQ(again.text, original);
}

TEST(RecordedEvents, AreRenderedInEveryForm) {
  const auto original = recording();
  const auto text = render(original, Format::Text).text;
  EXPECT_THAT(text, HasSubstr("index 12 outside [0, 9] in pick() at guest.c:14\n"));
  EXPECT_THAT(text, HasSubstr("    #2  0x08049000 (libc.so.6+0x1000)\n"));
  EXPECT_THAT(text, HasSubstr("5 events missing"));
  EXPECT_THAT(render(original, Format::Sarif).text, HasSubstr("\"occurrenceCount\":3"));
  EXPECT_THAT(render(original, Format::Html).text,
              HasSubstr("3 exceptions: index 12 outside [0, 9]"));
}

TEST(RecordedEvents, AreUsedUpToALineThatWasCutOff) {
  const auto original = recording();
  const auto cut = original.substr(0, original.rfind("\"exceptions\""));
  const auto rendered = render(cut, Format::Text);
  EXPECT_EQ(rendered.result.kind, RenderedReport::Kind::Done);
  EXPECT_TRUE(rendered.result.has_partial);
  EXPECT_FALSE(rendered.result.has_summary);
  EXPECT_THAT(rendered.text, HasSubstr("report-incomplete"));
  // A JSON Lines report says it by having no summary.
  EXPECT_THAT(render(cut, Format::Jsonl).text, Not(HasSubstr("\"summary\"")));
}

TEST(RecordedEvents, ThatLackASummaryAreSaidToBeIncomplete) {
  const auto original = recording();
  const auto cut = original.substr(0, original.rfind("\n{") + 1);
  const auto rendered = render(cut, Format::Text);
  EXPECT_FALSE(rendered.result.has_partial);
  EXPECT_FALSE(rendered.result.has_summary);
  EXPECT_THAT(rendered.text, HasSubstr("report-incomplete"));
}

TEST(RecordedEvents, AreRefusedWithTheNumberOfTheLine) {
  auto original = recording();
  const auto rendered = render(original + "{]\n" + original, Format::Html);
  EXPECT_EQ(rendered.result.kind, RenderedReport::Kind::BadInput);
  EXPECT_EQ(rendered.result.line,
            static_cast<uint64_t>(std::count(original.begin(), original.end(), '\n')) + 1);
  EXPECT_EQ(rendered.result.why, "it is not JSON");
  EXPECT_THAT(rendered.text, IsEmpty());
}

TEST(RecordedEvents, SayWhatIsWrongWithALine) {
  const auto why = [](std::string_view line) {
    const auto parsed = parse_recorded_line(line);
    const auto* error = std::get_if<RecordedError>(&parsed);
    return error != nullptr ? error->why : std::string("good");
  };
  EXPECT_EQ(why("[]"), "it is not a JSON object");
  EXPECT_EQ(why("{}"), "the member 'version' is missing");
  EXPECT_EQ(why(R"({"version":2,"event":"x","time_ns":1})"),
            "it is of version 2 of the protocol, only 1 is known");
  EXPECT_EQ(why(R"({"version":1,"event":5,"time_ns":1})"), "the member 'event' is not a string");
  EXPECT_EQ(why(R"({"version":1,"event":"x","time_ns":1.5})"),
            "the member 'time_ns' is not an integer");
  EXPECT_EQ(why(R"({"version":1,"event":"x","time_ns":18446744073709551615})"),
            "the member 'time_ns' is out of range");
  EXPECT_EQ(why(R"({"version":1,"event":"from-the-future","time_ns":1})"), "good");
  EXPECT_EQ(
      why(R"({"version":1,"event":"process-exited","time_ns":1,"pid":-5,"exit_status":0,"signal":null})"),
      "the member 'pid' is out of range");
  EXPECT_EQ(why("{\"version\":1,\"event\":\"\xff\",\"time_ns\":1}"), "it is not JSON");
  EXPECT_EQ(why(std::string(100'000, '[')), "it is not JSON");
  std::string line = recording();
  line.resize(line.find('\n'));
  ASSERT_EQ(why(line), "good");
  const auto with = [&](const std::string& from, const std::string& to) {
    auto changed = line;
    const size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return changed.replace(at, from.size(), to);
  };
  EXPECT_EQ(why(with("\"ip\":\"0x80491d6\"", "\"ip\":\"80491d6\"")),
            "the member 'ip' is not a hexadecimal string");
  EXPECT_EQ(why(with("\"ip\":\"0x80491d6\"", "\"ip\":\"0x12345678123456789\"")),
            "the member 'ip' is not a hexadecimal string of 64 bits");
  EXPECT_EQ(why(with("\"ip\":", "\"up\":")), "the member 'ip' is missing");
  EXPECT_EQ(why(with("\"eax\":", "\"r77\":")),
            "the member 'r77' is not a register, or out of range");
  EXPECT_EQ(why(with("\"cs\":\"0x23\"", "\"cs\":\"0x10023\"")),
            "the member 'cs' is not a register, or out of range");
  EXPECT_EQ(why(with("\"index_register\":\"eax\"", "\"index_register\":\"xmm0\"")),
            "the member 'index_register' is not a register");
  EXPECT_EQ(why(with("\"disposition\":\"handled\"", "\"disposition\":\"lost\"")),
            "the member 'disposition' is not one that is known");
  EXPECT_EQ(why(with("\"code\":\"62", "\"code\":\"zz")), "the member 'code' is not hexadecimal");
  for (const char* id : {"\"0x12\"", "\"AB\"", "7", "\"12/../34\""}) {
    EXPECT_NE(why(with("\"build_id\":null", std::string("\"build_id\":") + id)), "good");
  }
  EXPECT_EQ(why(with("\"build_id\":null", "\"build_id\":\"0123abcd\"")), "good");
  EXPECT_EQ(why(with("\"answers\":[", "\"answers\":[7,")),
            "the member 'answers' is not an array of objects");
}

TEST(RecordedEvents, OfTheFirstVersionOfTheProtocolAreUnderstood) {
  const auto parsed = parse_recorded_line(
      R"({"version":1,"event":"bound-exception","time_ns":1,"pid":1,"tid":1,"program":"/a","thread_name":null,)"
      R"("source":"x86-bound","ip":"0x10","module":null,"module_offset":null,"symbol":null,"file":null,"line":null,)"
      R"("index":12,"lower":0,"upper":9,"confidence":"certain","index_register":"ax","code":"6205",)"
      R"("registers":{"before":{"eax":"0xc","eip":"0x10"},"after":{"eax":"0x9"}},"answers":[],)"
      R"("disposition":"handled","reason":null})");
  ASSERT_TRUE(std::holds_alternative<RecordedLine>(parsed)) << std::get<RecordedError>(parsed).why;
  const auto& exception = std::get<events::BoundException>(*std::get<RecordedLine>(parsed).record);
  EXPECT_EQ(exception.event.index_width, 16);
  EXPECT_EQ(exception.event.index_register, x86::Rax);
  EXPECT_EQ(exception.event.check, CheckKind::ArrayBounds);
  EXPECT_TRUE(exception.event.resumable);
  EXPECT_EQ(exception.after.gpr[x86::Rax], 9u);
  EXPECT_EQ(exception.after.rip, 0x10u);
}

TEST(RecordedEvents, HaveTheirBytesBack) {
  const auto nasty = testing::nasty_text();
  std::string json;
  append_json_string(json, nasty);
  const auto parsed = parse_recorded_line(
      "{\"version\":1,\"event\":\"driver-unloaded\",\"time_ns\":1,\"driver\":" + json + "}");
  ASSERT_TRUE(std::holds_alternative<RecordedLine>(parsed));
  EXPECT_EQ(std::get<events::DriverUnloaded>(*std::get<RecordedLine>(parsed).record).driver, nasty);
}

TEST(RecordedEvents, HaveNoLineWithoutEnd) {
  const int fd = file_of("\n  \n" + std::string(RecordedFile::kMaxLine + 300'000, 'x'));
  RecordedFile file(fd);
  RecordedLine line;
  EXPECT_EQ(file.next(line), RecordedFile::Next::Error);
  EXPECT_EQ(file.line_number(), 3u);
  EXPECT_THAT(file.error(), StartsWith("the line is longer"));
  close(fd);
}

}  // namespace
}  // namespace kebound::report
