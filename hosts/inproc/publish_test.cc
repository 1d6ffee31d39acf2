// SPDX-License-Identifier: Apache-2.0
//
// The ring from both ends: publish.cc writes, RingReader reads.
#include "hosts/inproc/publish.h"

#include <gtest/gtest.h>
#include <string.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "hosts/inproc_run/ring_file.h"
#include "hosts/inproc_run/ring_reader.h"

namespace kebound::inproc {
namespace {

constexpr uint32_t kCapacity = 64;

using inproc_run::RingFile;
using inproc_run::RingReader;

// publish.cc opens one ring for the life of the process: all tests share it.
RingReader& ring() {
  static RingFile file(kCapacity);
  static RingReader reader = [] {
    EXPECT_TRUE(open_ring(file.path().c_str()));
    return RingReader(file.header(), file.records(), kCapacity);
  }();
  return reader;
}

void publish(int64_t index, const char* reason = "") {
  kebound_event event{};
  event.index = index;
  event.confidence = KEBOUND_CONFIDENCE_CERTAIN;
  kebound_registers before{};
  kebound_registers after{};
  before.gpr[KEBOUND_RAX] = 1;
  after.gpr[KEBOUND_RAX] = 2;
  Answers answers;
  for (unsigned i = 0; i < 10; ++i) answers.add(&event, i, i == 9);
  publish_exception(event, before, after, answers, KEBOUND_DISPOSITION_HANDLED, reason, "detail");
}

class RingTest : public ::testing::Test {
 protected:
  RingTest() {
    while (ring().next(record) == RingReader::Next::Record) continue;
    dropped_before = ring().dropped();
  }
  uint64_t dropped_before = 0;
  kebound_ring_record record{};
};

TEST_F(RingTest, A_record_arrives_as_it_was_published) {
  publish(-7, "a reason");
  ASSERT_EQ(ring().next(record), RingReader::Next::Record);
  EXPECT_EQ(record.kind, KEBOUND_RECORD_EXCEPTION);
  EXPECT_EQ(record.event.index, -7);
  EXPECT_EQ(record.before.gpr[KEBOUND_RAX], 1u);
  EXPECT_EQ(record.after.gpr[KEBOUND_RAX], 2u);
  EXPECT_EQ(record.pid, getpid());
  EXPECT_STREQ(record.text, "a reason");
  EXPECT_EQ(record.answer_count, 10);
  EXPECT_EQ(record.answers[0].status, 2u) << "the last eight of ten";
  EXPECT_EQ(record.answers[7].status, 9u);
  EXPECT_EQ(record.answers[7].edited, 1u);
  EXPECT_EQ(ring().next(record), RingReader::Next::Empty);
}

TEST_F(RingTest, A_text_that_is_too_long_is_cut) {
  publish(0, std::string(1000, 'x').c_str());
  ASSERT_EQ(ring().next(record), RingReader::Next::Record);
  EXPECT_EQ(strlen(record.text), sizeof record.text - 1);
}

TEST_F(RingTest, What_finds_the_ring_full_is_counted_and_what_was_there_stays) {
  for (int i = 0; i < 100; ++i) publish(i);
  for (int i = 0; i < static_cast<int>(kCapacity); ++i) {
    ASSERT_EQ(ring().next(record), RingReader::Next::Record);
    EXPECT_EQ(record.event.index, i);
  }
  EXPECT_EQ(ring().next(record), RingReader::Next::Empty);
  EXPECT_EQ(ring().dropped() - dropped_before, 100 - kCapacity);
}

TEST_F(RingTest, Four_writers_and_a_reader_lose_nothing_that_was_not_counted) {
  constexpr int kWriters = 4;
  constexpr int kEach = 5000;
  std::atomic<int> writing{kWriters};
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < kEach; ++i) publish(w * kEach + i);
      --writing;
    });
  }
  std::set<int64_t> seen;
  uint64_t doubled = 0;
  for (;;) {
    const bool last = writing == 0;
    const RingReader::Next next = ring().next(record);
    if (next == RingReader::Next::Record) {
      if (!seen.insert(record.event.index).second) ++doubled;
    } else if (last) {
      EXPECT_EQ(next, RingReader::Next::Empty);
      break;
    }
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(doubled, 0u);
  EXPECT_EQ(seen.size() + ring().dropped() - dropped_before,
            static_cast<uint64_t>(kWriters) * kEach);
}

}  // namespace
}  // namespace kebound::inproc
