// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hosts/inproc_run/ring_file.h"
#include "hosts/inproc_run/ring_reader.h"
#include "hosts/inproc_run/ring_record.h"

namespace kebound::inproc_run {
namespace {

using Next = RingReader::Next;

kebound_ring_record an_exception() {
  kebound_ring_record raw{};
  raw.pid = raw.tid = 7;
  raw.time_ns = 1;
  raw.kind = KEBOUND_RECORD_EXCEPTION;
  raw.event.source = KEBOUND_SOURCE_X86_BOUND;
  raw.event.confidence = KEBOUND_CONFIDENCE_CERTAIN;
  raw.event.index_width = 32;
  return raw;
}

class Ring : public testing::Test {
 protected:
  // As a writer does it (abi.h).
  uint64_t begin() { return __atomic_fetch_add(&file.header()->head, 1, __ATOMIC_RELAXED); }
  void end(uint64_t number, int64_t index = 0) {
    kebound_ring_record& slot = file.records()[number % file.capacity()];
    slot.event.index = index;
    __atomic_store_n(&slot.sequence, number + 1, __ATOMIC_RELEASE);
  }

  RingFile file{4};
  RingReader reader{file.header(), file.records(), 4};
  kebound_ring_record record{};
};

TEST_F(Ring, RecordsComeInTheirOrderAndMakeRoom) {
  EXPECT_EQ(reader.next(record), Next::Empty);
  for (int64_t i = 0; i < 10; ++i) {
    end(begin(), i);
    ASSERT_EQ(reader.next(record), Next::Record);
    EXPECT_EQ(record.event.index, i);
    EXPECT_EQ(file.header()->tail, static_cast<uint64_t>(i) + 1);
  }
  EXPECT_EQ(reader.next(record), Next::Empty);
}

TEST_F(Ring, AnUnfinishedRecordHoldsUpTheOthersUntilItIsGivenUp) {
  const uint64_t dead = begin();
  end(begin(), 2);
  EXPECT_EQ(reader.next(record), Next::Incomplete);
  reader.skip();
  ASSERT_EQ(reader.next(record), Next::Record);
  EXPECT_EQ(record.event.index, 2);
  EXPECT_EQ(reader.skipped(), 1u);
  end(dead, 1);  // it was only slow
  EXPECT_EQ(reader.next(record), Next::Empty);
}

TEST_F(Ring, CountersThatNobodyOfOursWritesAreDamageAndNoMore) {
  for (const uint64_t head : {uint64_t{5}, uint64_t{1} << 63, ~uint64_t{0}}) {
    file.header()->head = head;
    EXPECT_EQ(reader.next(record), Next::Damaged) << head;
  }
  file.header()->head = 0;
  file.header()->tail = 1000;
  file.header()->capacity = 0;
  file.header()->record_size = 1;
  end(begin(), 3);
  ASSERT_EQ(reader.next(record), Next::Record);
  EXPECT_EQ(record.event.index, 3);
}

TEST_F(Ring, CannotBeTakenAwayFromUnderTheReader) {
  const int fd = open(file.path().c_str(), O_RDWR);
  ASSERT_GE(fd, 0);
  EXPECT_NE(ftruncate(fd, 0), 0);
  struct stat status {};
  ASSERT_EQ(fstat(fd, &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  close(fd);
}

TEST(RingRecordTest, TakesWhatAWriterWrites) {
  kebound_ring_record raw = an_exception();
  raw.disposition = KEBOUND_DISPOSITION_TERMINATED;
  raw.event.index = -5;
  raw.event.upper = 9;
  raw.before.gpr[3] = 11;
  raw.code_size = 2;
  raw.code[0] = 0x62;
  raw.answer_count = 1;
  raw.answers[0] = {0x1000, 1, 1, 1};
  strcpy(raw.text, "livelock");
  const auto checked = check_ring_record(raw);
  ASSERT_TRUE(checked.has_value());
  const auto& exception = std::get<events::BoundException>(checked->record);
  EXPECT_EQ(exception.event.index, -5);
  EXPECT_EQ(exception.event.upper, 9);
  EXPECT_EQ(exception.before.gpr[3], 11u);
  EXPECT_EQ(exception.code[0], 0x62);
  EXPECT_EQ(exception.disposition, events::Disposition::Terminated);
  EXPECT_EQ(exception.reason, "livelock");
  ASSERT_EQ(checked->answers.size(), 1u);
  EXPECT_EQ(checked->answers[0].routine, 0x1000u);
  EXPECT_TRUE(checked->answers[0].builtin);
}

TEST(RingRecordTest, RefusesWhatNoWriterWrites) {
  const auto refuses = [](auto&& change) {
    kebound_ring_record raw = an_exception();
    change(raw);
    return !check_ring_record(raw).has_value();
  };
  EXPECT_FALSE(refuses([](auto&) {}));
  EXPECT_TRUE(refuses([](auto& raw) { raw.pid = 0; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.tid = -1; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.time_ns = -1; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.kind = 0; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.kind = 4; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.disposition = 3; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.event.source = 0; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.event.confidence = 3; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.event.index_register = 16; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.event.index_width = 12; }));
  EXPECT_TRUE(refuses([](auto& raw) { raw.kind = KEBOUND_RECORD_VERIFIER; })) << "without a rule";
}

TEST(RingRecordTest, LengthsAreCutToWhatThereIs) {
  kebound_ring_record raw = an_exception();
  raw.code_size = 255;
  raw.answer_count = 255;
  memset(raw.text, 'x', sizeof raw.text);
  const auto checked = check_ring_record(raw);
  ASSERT_TRUE(checked.has_value());
  const auto& exception = std::get<events::BoundException>(checked->record);
  EXPECT_EQ(exception.code_size, sizeof exception.code);
  EXPECT_EQ(exception.reason.size(), sizeof raw.text);
  EXPECT_EQ(checked->answers.size(), KEBOUND_RING_ANSWERS);
}

TEST(RingRecordTest, ABugCheckHasItsCodeAndParameters) {
  kebound_ring_record raw = an_exception();
  raw.kind = KEBOUND_RECORD_BUG_CHECK;
  raw.bug_check = 0x7f;
  raw.before.gpr[0] = 5;
  raw.routine = 0x2000;
  const auto checked = check_ring_record(raw);
  ASSERT_TRUE(checked.has_value());
  EXPECT_EQ(std::get<events::BugCheckRecord>(checked->record).code, 0x7fu);
  EXPECT_THAT(std::get<events::BugCheckRecord>(checked->record).parameters,
              testing::ElementsAre(5, 0, 0, 0));
  EXPECT_EQ(checked->routine, 0x2000u);
}

}  // namespace
}  // namespace kebound::inproc_run
