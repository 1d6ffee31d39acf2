// SPDX-License-Identifier: Apache-2.0
#include "report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "report/html_writer.h"
#include "report/phrases.h"
#include "report/source_text.h"
#include "report/testing/fake_resolver.h"
#include "report/testing/records.h"
#include "report/uris.h"

namespace kebound::report {
namespace {

using ::testing::ElementsAre;
using testing::FakeResolver;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kEvil =
    "<script>alert(1)</script>\" onmouseover=\"alert(2)\" x='</style></title>&amp;<!--";

class HtmlReport : public ::testing::Test {
 protected:
  std::string page(const std::vector<events::Record>& records) {
    HtmlRenderer renderer(options_, resolver_);
    std::string out;
    Totals totals;
    for (const auto& record : records) {
      renderer.render(record, out);
      totals.exceptions += std::holds_alternative<events::BoundException>(record) ? 1 : 0;
    }
    EXPECT_THAT(out, IsEmpty());  // it is written at the end
    totals.handled = totals.exceptions;
    renderer.finish(totals, 0, out);
    return out;
  }
  static events::BoundException exception() {
    auto exception = testing::sample_exception();
    auto modules = std::make_shared<events::ModuleMap>();
    modules->generation = 7;
    exception.modules = modules;
    exception.stack = std::make_shared<events::StackSnapshot>();
    return exception;
  }

  Options options_;
  FakeResolver resolver_;
};

TEST_F(HtmlReport, SaysWhatFailedWhereAndHowOften) {
  const auto text = page({exception(), exception(), exception()});
  EXPECT_THAT(text, HasSubstr("3 exceptions: index 12 outside [0, 9]"));
  EXPECT_THAT(text, HasSubstr("pick()"));
  EXPECT_THAT(text, HasSubstr("/src/guest.c:14"));
  EXPECT_THAT(text, HasSubstr("recorded 3 times"));
  EXPECT_THAT(text, HasSubstr("repair!on_bound \xe2\x86\x92 BoundExceptionHandled"));
  EXPECT_THAT(text, HasSubstr("is not to be had where this report was made"));
}

TEST_F(HtmlReport, LetsNoNameBecomeMarkup) {
  resolver_.module = "/" + kEvil;
  resolver_.function = kEvil;
  resolver_.file = "/src/" + kEvil + ".c";
  options_.command = {"kebound", "run", kEvil};
  std::vector<events::Record> records = testing::one_of_each();
  auto bad = exception();
  bad.program = testing::name(kEvil);
  bad.detail = bad.reason = kEvil;
  bad.answers[0].callback = testing::name(kEvil);
  records.emplace_back(bad);
  records.emplace_back(events::DriverOutput{1, 1, 1, kEvil, 0, 0, kEvil});
  records.emplace_back(events::VerifierRecord{1, 1, 1, kEvil, kEvil, kEvil, kEvil});
  records.emplace_back(events::BugCheckRecord{1, 1, 1, 0x7f, {}, kEvil, kEvil, kEvil});
  records.emplace_back(events::DriverLoaded{1, kEvil, kEvil});
  const auto text = page(records);
  EXPECT_THAT(text, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(text, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(text, Not(HasSubstr("\" onmouseover=\"")));
  EXPECT_THAT(text, Not(HasSubstr("x='<")));
  size_t scripts = 0;
  for (size_t at = text.find("<script"); at != std::string::npos;
       at = text.find("<script", at + 1)) {
    ++scripts;
  }
  EXPECT_EQ(scripts, 1u);
  for (const char character : text) {
    EXPECT_TRUE(character == '\n' || character == '\t' || static_cast<uint8_t>(character) >= 0x20);
  }
}

TEST_F(HtmlReport, LoadsNothingAndRunsOnlyItsOwnScript) {
  const auto text = page({exception()});
  std::smatch match;
  ASSERT_TRUE(std::regex_search(text, match, std::regex("script-src 'nonce-([0-9a-f]{32})'")));
  EXPECT_THAT(text, HasSubstr("default-src 'none'"));
  EXPECT_THAT(text, HasSubstr("<script nonce=\"" + match[1].str() + "\">"));
  EXPECT_THAT(text, Not(HasSubstr("src=\"")));
  EXPECT_THAT(text, Not(HasSubstr("http://")));
  EXPECT_THAT(text, Not(HasSubstr("https://")));
  EXPECT_THAT(text, Not(HasSubstr("url(")));
  EXPECT_NE(page({exception()}).find(match[1].str()), 0u);
  EXPECT_THAT(page({exception()}), Not(HasSubstr(match[1].str()))) << "a nonce is used once";
}

TEST_F(HtmlReport, ShowsARunWithoutFailuresAsSuch) {
  EXPECT_THAT(page({}), HasSubstr("No check failed"));
}

TEST_F(HtmlReport, StaysSmallWhenAProgramMakesUpPlaces) {
  std::vector<events::Record> records;
  for (uint64_t i = 0; i < 5'000; ++i) {
    auto one = exception();
    one.event.ip = one.before.rip = 0x8049000 + i * 4;
    records.emplace_back(one);
  }
  const auto text = page(records);
  EXPECT_LT(text.size(), 4u << 20);
  EXPECT_THAT(text, HasSubstr("and 3,000 sites with fewer exceptions"));
}

class SourceFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kebound-source-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
    return directory_ + "/" + name;
  }
  std::string directory_;
  SourceText sources_;
};

TEST_F(SourceFiles, GiveTheLinesAroundTheCheck) {
  const auto path = write("a.c", "one\ntwo\r\nthree\nfour");
  const auto lines = sources_.around(path, 3, 1);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].number, 2u);
  EXPECT_EQ(lines[0].text, "two");
  EXPECT_EQ(lines[2].text, "four");
  EXPECT_EQ(sources_.around(path, 1, 100).size(), 4u);
  EXPECT_THAT(sources_.around(path, 5, 100), IsEmpty());
  EXPECT_THAT(sources_.around(path, 0, 100), IsEmpty());
  EXPECT_THAT(sources_.around(path, UINT32_MAX, UINT32_MAX), IsEmpty());
}

TEST_F(SourceFiles, AreReadOnlyWhereTheirNameIsASources) {
  EXPECT_THAT(sources_.around(write("secret", "password\n"), 1, 1), IsEmpty());
  EXPECT_THAT(sources_.around(write("id.pem", "key\n"), 1, 1), IsEmpty());
  EXPECT_THAT(sources_.around("/etc/passwd", 1, 1), IsEmpty());
  EXPECT_THAT(sources_.around("relative.c", 1, 1), IsEmpty());
  EXPECT_TRUE(is_source_name("/usr/include/c++/12/vector"));
  EXPECT_TRUE(is_source_name("/src/a.b/x.hpp"));
  EXPECT_FALSE(is_source_name("/src/a.c/x"));
}

TEST_F(SourceFiles, HaveLongLinesCut) {
  const auto path = write("long.c", std::string(100'000, 'x') + "\n");
  const auto lines = sources_.around(path, 1, 0);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].text.size(), SourceText::kMaxLine);
}

TEST(Uris, EncodeAnyBytesAndNormalizePaths) {
  EXPECT_EQ(percent_encoded("/a b/\xff<\">#?:%"), "/a%20b/%FF%3C%22%3E%23%3F%3A%25");
  EXPECT_EQ(normalized("/a/./b//../c/"), "/a/c");
  EXPECT_EQ(normalized("/../../etc"), "/etc");
  EXPECT_EQ(normalized("../a/../../b"), "../../b");
  EXPECT_EQ(normalized("/"), "/");
}

TEST(Uris, AreRelativeBelowTheSourceRootOnly) {
  Artifacts files("/home/me/project/");
  EXPECT_EQ(files.root_uri(), "file:///home/me/project/");
  EXPECT_EQ(files.number("/home/me/project/build/../src/a.c", false), 0u);
  EXPECT_EQ(files.number("/home/me/projector/b.c", false), 1u);
  EXPECT_EQ(files.number("c.c", false), 2u);
  EXPECT_EQ(files.number("/home/me/project/build/../src/a.c", false), 0u);
  EXPECT_EQ(files.all()[0].uri, "src/a.c");
  EXPECT_TRUE(files.all()[0].is_below_root);
  EXPECT_EQ(files.all()[1].uri, "file:///home/me/projector/b.c");
  EXPECT_FALSE(files.all()[1].is_below_root);
  EXPECT_EQ(files.all()[2].uri, "c.c");
  EXPECT_THAT(Artifacts("").root_uri(), IsEmpty());
}

TEST(Phrases, WriteTimesCountsAndCommandLines) {
  EXPECT_EQ(utc_time(1'795'000'000'123'456'789), "2026-11-18T11:06:40.123Z");
  EXPECT_EQ(utc_time(-1, 9), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(utc_time(INT64_MIN, 0), "1677-09-21T00:12:43Z");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
  EXPECT_EQ(counted(1, "site"), "1 site");
  EXPECT_EQ(shell_line({"kebound", "run", "it's", "", "a b"}), "kebound run 'it'\\''s' '' 'a b'");
}

}  // namespace
}  // namespace kebound::report
