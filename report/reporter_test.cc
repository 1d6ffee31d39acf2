// SPDX-License-Identifier: Apache-2.0
#include "report/reporter.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "report/testing/records.h"

namespace kebound::report {
namespace {

using ::testing::HasSubstr;
using testing::sample_exception;
using namespace std::chrono_literals;

class Pipe {
 public:
  Pipe() {
    if (pipe2(fds_, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  [[nodiscard]] int writer() const { return fds_[1]; }
  [[nodiscard]] int reader() const { return fds_[0]; }
  void close_reader() { close_one(fds_[0]); }
  void close_writer() { close_one(fds_[1]); }
  // What can be read within `wait` after the last byte; until the end once the writer is closed.
  std::string read_for(std::chrono::milliseconds wait) {
    std::string text;
    char buffer[4096];
    for (;;) {
      struct pollfd readable = {fds_[0], POLLIN, 0};
      if (poll(&readable, 1, static_cast<int>(wait.count())) <= 0) return text;
      const ssize_t count = read(fds_[0], buffer, sizeof buffer);
      if (count <= 0) return text;
      text.append(buffer, static_cast<size_t>(count));
    }
  }

 private:
  static void close_one(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  int fds_[2] = {-1, -1};
};

Options jsonl(int fd) {
  Options options;
  options.format = Format::Jsonl;
  options.fd = fd;
  return options;
}

size_t lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(Reporter, WritesEveryRecordOfManyThreadsThroughASmallQueue) {
  Pipe pipe;
  auto options = jsonl(pipe.writer());
  options.queue_capacity = 8;
  Reporter reporter(options);
  std::string text;
  std::thread reader([&] { text = pipe.read_for(10s); });
  constexpr int kThreads = 4;
  constexpr int kEach = 5'000;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        auto exception = sample_exception();
        exception.tid = thread + 1;
        exception.event.index = i;
        reporter.accept(std::move(exception));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto result = reporter.finish();
  pipe.close_writer();
  reader.join();
  EXPECT_TRUE(result.ok) << result.why;
  EXPECT_EQ(result.totals.exceptions, size_t{kThreads} * kEach);
  EXPECT_EQ(result.totals.handled, size_t{kThreads} * kEach);
  ASSERT_EQ(lines(text), size_t{kThreads} * kEach + 1);
  // None lost, none doubled, and each thread's in its order.
  std::vector<int> next(kThreads, 0);
  for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    const auto line = std::string_view(text).substr(at, end - at);
    const size_t tid = line.find("\"tid\":");
    if (tid == std::string_view::npos) continue;
    const int thread = line[tid + 6] - '1';
    const auto expected = "\"index\":" + std::to_string(next[static_cast<size_t>(thread)]++) + ",";
    ASSERT_NE(line.find(expected), std::string_view::npos) << line;
  }
}

TEST(Reporter, ShowsAnEventSoonThoughNoOtherFollows) {
  Pipe pipe;
  Reporter reporter(jsonl(pipe.writer()));
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    reporter.accept(sample_exception());
    struct pollfd readable = {pipe.reader(), POLLIN, 0};
    ASSERT_EQ(poll(&readable, 1, 5'000), 1);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);  // 20 ms on a machine that is not busy
    EXPECT_THAT(pipe.read_for(30ms), HasSubstr("bound-exception"));
  }
}

TEST(Reporter, BlocksRatherThanDropWhileNobodyReads) {
  Pipe pipe;
  auto options = jsonl(pipe.writer());
  options.queue_capacity = 4;
  Reporter reporter(options);
  std::atomic<int> accepted{0};
  constexpr int kRecords = 1'000;  // far more than the pipe and the queue hold
  std::thread producer([&] {
    for (int i = 0; i < kRecords; ++i) {
      reporter.accept(sample_exception());
      ++accepted;
    }
  });
  std::this_thread::sleep_for(100ms);
  EXPECT_LT(accepted, kRecords);
  std::string text;
  std::thread reader([&] { text = pipe.read_for(10s); });
  producer.join();
  EXPECT_TRUE(reporter.finish().ok);
  pipe.close_writer();
  reader.join();
  EXPECT_EQ(lines(text), kRecords + 1u);
}

TEST(Reporter, WritesABugCheckBeforeItReturns) {
  Pipe pipe;
  Reporter reporter(jsonl(pipe.writer()));
  reporter.accept(sample_exception());
  reporter.accept(events::BugCheckRecord{1, 1, 1, 0x7f, {5, 0, 0, 0}, "d", "c", "e"});
  const auto text = pipe.read_for(0ms);
  EXPECT_THAT(text, HasSubstr("bound-exception"));
  EXPECT_THAT(text, HasSubstr("bug-check"));
}

TEST(Reporter, FlushesOnRequest) {
  Pipe pipe;
  Reporter reporter(jsonl(pipe.writer()));
  EXPECT_TRUE(reporter.flush());
  for (int i = 0; i < 10; ++i) reporter.accept(sample_exception());
  EXPECT_TRUE(reporter.flush());
  EXPECT_EQ(lines(pipe.read_for(0ms)), 10u);
}

TEST(Reporter, ReportsAFullDiskOnceAndKeepsCounting) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  Reporter reporter(jsonl(full));
  reporter.accept(sample_exception());
  EXPECT_FALSE(reporter.flush());
  for (int i = 0; i < 99; ++i) reporter.accept(sample_exception());
  const auto result = reporter.finish();
  close(full);
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.error, ENOSPC);
  EXPECT_EQ(result.why,
            "cannot write the report: No space left on device (100 of 100 records are missing)");
  EXPECT_EQ(result.totals.exceptions, 100u);
}

TEST(Reporter, SurvivesAReaderThatIsGone) {
  Pipe pipe;
  pipe.close_reader();
  Reporter reporter(jsonl(pipe.writer()));
  for (int i = 0; i < 1'000; ++i) reporter.accept(sample_exception());
  const auto result = reporter.finish();  // SIGPIPE would have ended the test
  EXPECT_EQ(result.error, EPIPE);
}

TEST(Reporter, SurvivesAReaderThatGoesBeforeTheSummary) {
  Pipe pipe;
  Reporter reporter(jsonl(pipe.writer()));
  pipe.close_reader();
  const auto result = reporter.finish();
  EXPECT_EQ(result.error, EPIPE);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_FALSE(sigismember(&pending, SIGPIPE));
}

TEST(Reporter, WaitsForANonBlockingDescriptor) {
  Pipe pipe;
  ASSERT_EQ(fcntl(pipe.writer(), F_SETFL, O_NONBLOCK), 0);
  Reporter reporter(jsonl(pipe.writer()));
  std::string text;
  std::thread reader([&] {
    std::this_thread::sleep_for(50ms);
    text = pipe.read_for(10s);
  });
  for (int i = 0; i < 500; ++i) reporter.accept(sample_exception());
  EXPECT_TRUE(reporter.finish().ok);
  pipe.close_writer();
  reader.join();
  EXPECT_EQ(lines(text), 501u);
}

TEST(Reporter, CountsWithoutWritingForFormatNone) {
  Options options;
  options.format = Format::None;
  options.fd = -1;
  Reporter reporter(options);
  for (auto& record : testing::one_of_each()) reporter.accept(std::move(record));
  EXPECT_TRUE(reporter.flush());
  const auto result = reporter.finish();
  EXPECT_TRUE(result.ok);
  EXPECT_EQ(result.totals.exceptions, 6u);
  EXPECT_EQ(result.totals.bug_checks, 6u);
  EXPECT_EQ(result.totals.verifier, 3u);
}

TEST(Reporter, FinishesOnceAndDiscardsWhatComesLater) {
  Pipe pipe;
  Reporter reporter(jsonl(pipe.writer()));
  reporter.accept(sample_exception());
  EXPECT_EQ(reporter.finish().totals.exceptions, 1u);
  reporter.accept(sample_exception());
  reporter.accept(events::BugCheckRecord{});
  EXPECT_EQ(reporter.finish().totals.exceptions, 1u);
  EXPECT_EQ(lines(pipe.read_for(0ms)), 2u);
}

}  // namespace
}  // namespace kebound::report
