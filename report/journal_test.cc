// SPDX-License-Identifier: Apache-2.0
#include "report/journal.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/testing/fake_resolver.h"
#include "report/testing/records.h"

namespace kebound::report {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FakeJournal final : public JournalSink {
 public:
  FakeJournal(std::vector<JournalFields>& entries, int result)
      : entries_(entries), result_(result) {}
  int send(const JournalFields& fields) override {
    entries_.push_back(fields);
    return result_;
  }

 private:
  std::vector<JournalFields>& entries_;
  const int result_;
};

class Journal : public ::testing::Test {
 protected:
  std::unique_ptr<JournalRenderer> renderer(bool verbose = false, int result = 0) {
    return std::make_unique<JournalRenderer>(std::make_unique<FakeJournal>(entries_, result),
                                             verbose, resolver_);
  }
  static events::BoundException exception() {
    auto exception = testing::sample_exception();
    auto modules = std::make_shared<events::ModuleMap>();
    modules->generation = 7;
    exception.modules = modules;
    return exception;
  }
  std::vector<JournalFields> entries_;
  testing::FakeResolver resolver_;
  std::string out_;
};

TEST_F(Journal, GetsTheFieldsOfAnException) {
  renderer()->render(exception(), out_);
  EXPECT_THAT(out_, IsEmpty());
  ASSERT_THAT(entries_, SizeIs(1));
  for (const char* const field :
       {"MESSAGE=bound exception: index 12 outside [0, 9] in pick() at guest.c:14: handled: eax 12 "
        "-> 9; runs the "
        "check again at 0x80491d6",
        "PRIORITY=4", "SYSLOG_IDENTIFIER=kebound", "CODE_FUNC=pick", "CODE_FILE=/src/guest.c",
        "CODE_LINE=14", "OBJECT_PID=1000", "KEBOUND_TID=1001",
        "KEBOUND_RULE=x86-bound/array-bounds", "KEBOUND_INDEX=12", "KEBOUND_LOWER=0",
        "KEBOUND_UPPER=9", "KEBOUND_DISPOSITION=handled", "KEBOUND_MODULE_OFFSET=0x11d6"}) {
    EXPECT_THAT(entries_[0], Contains(field));
  }
}

TEST_F(Journal, IsNotFloodedByASiteThatFailsAgainAndAgain) {
  const auto quiet = renderer();
  for (int i = 0; i < 50; ++i) quiet->render(exception(), out_);
  EXPECT_THAT(entries_, SizeIs(1));
  Totals totals;
  totals.exceptions = totals.handled = 50;
  quiet->finish(totals, 0, out_);
  ASSERT_THAT(entries_, SizeIs(3));
  EXPECT_THAT(entries_[1], Contains("KEBOUND_COUNT=50"));
  EXPECT_THAT(entries_[2], Contains("KEBOUND_EXCEPTIONS=50"));
  entries_.clear();
  const auto verbose = renderer(true);
  for (int i = 0; i < 50; ++i) verbose->render(exception(), out_);
  EXPECT_THAT(entries_, SizeIs(50));
}

TEST_F(Journal, HasNoIndexWhereNoneIsKnown) {
  auto unknown = exception();
  unknown.event.confidence = Confidence::Unknown;
  renderer()->render(unknown, out_);
  for (const auto& field : entries_.at(0))
    EXPECT_FALSE(field.starts_with("KEBOUND_INDEX=")) << field;
}

TEST_F(Journal, ThatRefusesAnEntryIsAnError) {
  const auto failing = renderer(false, ENOBUFS);
  EXPECT_EQ(failing->error(), 0);
  failing->render(exception(), out_);
  EXPECT_EQ(failing->error(), ENOBUFS);
}

TEST_F(Journal, TakesEveryKindOfRecordWithAnyBytes) {
  const auto all = renderer(true);
  for (const auto& record : testing::one_of_each()) all->render(record, out_);
  for (const auto& entry : entries_) {
    for (const auto& field : entry) {
      const auto name = field.substr(0, field.find('='));
      EXPECT_FALSE(name.empty());
      EXPECT_EQ(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), std::string::npos) << name;
    }
  }
}

}  // namespace
}  // namespace kebound::report
