// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/drain.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace kebound::inproc_run {
namespace {

using std::chrono::microseconds;

constexpr microseconds kShortestNap{250};
constexpr microseconds kLongestNap{16'000};
// A writer between number and completion that takes longer is taken for dead. It may be stopped:
// then its event is lost, and its late words are an old record to us.
constexpr int64_t kPatienceNs = 1'000'000'000;
// How long a program that begins is looked at without being asked for: a program that dies of its
// first exception is gone before we could ask.
constexpr int64_t kBeginningNs = 200'000'000;

int64_t now_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// A process needs a sink to be described to; without one nothing is said of any.
class NoSink final : public events::Sink {
 public:
  void accept(events::Record&&) override {}
};
NoSink no_sink;

}  // namespace

Drain::Drain(const RingFile& ring, events::Sink* sink, const std::string& policy,
             const std::vector<rules::Rule>& rules, events::TrapMessages* messages)
    : reader_(ring.header(), ring.records(), ring.capacity()),
      answers_(ring.header(), messages),
      sink_(sink),
      rules_(rules),
      processes_(sink != nullptr ? *sink : no_sink, policy) {
  for (const rules::Rule& rule : rules) {
    rule_names_.push_back(std::make_shared<const std::string>(rule.place()));
  }
}

Drain::~Drain() {
  if (thread_.joinable()) static_cast<void>(finish());
}

void Drain::start(pid_t first, const std::string& path) {
  first_ = first;
  if (sink_ != nullptr) {
    processes_.first(first, path, now_ns(CLOCK_REALTIME));
    processes_.refresh(first);
  }
  // The thread inherits the mask: signals are the main thread's business.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { loop(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Drain::on_end(pid_t pid, bool signaled, int status) {
  if (sink_ == nullptr) return;
  const std::scoped_lock lock(mutex_);
  ends_.push_back({pid, signaled, status, now_ns(CLOCK_REALTIME)});
  wake_.notify_one();
}

Drain::Totals Drain::finish() {
  {
    const std::scoped_lock lock(mutex_);
    writers_gone_ = true;
    wake_.notify_one();
  }
  thread_.join();
  say_what_is_missing();
  totals_.exceptions += reader_.dropped() + reader_.skipped() + damaged_;
  return totals_;
}

void Drain::loop() {
  const int64_t beginning_ends = now_ns(CLOCK_MONOTONIC) + kBeginningNs;
  microseconds nap = kShortestNap;
  for (;;) {
    bool writers_gone = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, nap, [this] { return writers_gone_ || !ends_.empty(); });
      writers_gone = writers_gone_;
    }
    const bool busy = drain(writers_gone) | answers_.answer();
    nap = busy ? kShortestNap : std::min(nap * 2, kLongestNap);
    if (sink_ != nullptr && now_ns(CLOCK_MONOTONIC) < beginning_ends) processes_.refresh(first_);
    if (writers_gone) return;
  }
}

bool Drain::drain(bool writers_gone) {
  // Ends first, in order to know whose records are complete: what is drained below was written
  // before.
  std::vector<End> ends;
  {
    const std::scoped_lock lock(mutex_);
    ends.swap(ends_);
  }
  bool busy = false;
  kebound_ring_record raw;
  for (bool more = true; more;) {
    switch (reader_.next(raw)) {
      case RingReader::Next::Record:
        incomplete_since_ns_ = 0;
        busy = true;
        take(raw);
        break;
      case RingReader::Next::Incomplete:
        more = give_up(writers_gone);
        break;
      case RingReader::Next::Empty:
      case RingReader::Next::Damaged:
        more = false;
        break;
    }
  }
  for (const End& end : ends) processes_.ended(end.pid, end.signaled, end.status, end.time_ns);
  return busy;
}

bool Drain::give_up(bool writers_gone) {
  const int64_t now = now_ns(CLOCK_MONOTONIC);
  if (incomplete_since_ns_ == 0) incomplete_since_ns_ = now;
  if (!writers_gone && now - incomplete_since_ns_ < kPatienceNs) return false;
  incomplete_since_ns_ = 0;
  reader_.skip();
  return true;
}

void Drain::take(const kebound_ring_record& raw) {
  std::optional<RingRecord> record = check_ring_record(raw);
  if (!record) {
    ++damaged_;
    return;
  }
  if (std::holds_alternative<events::BoundException>(record->record)) ++totals_.exceptions;
  if (std::holds_alternative<events::BugCheckRecord>(record->record)) ++totals_.bug_checks;
  if (sink_ == nullptr) return;
  name_rule(*record);
  processes_.take(std::move(*record));
}

void Drain::name_rule(RingRecord& record) const {
  auto* const exception = std::get_if<events::BoundException>(&record.record);
  if (exception == nullptr || record.rule == 0 || record.rule > rules_.size()) return;
  const size_t number = record.rule - 1;
  exception->rule = rule_names_[number];
  const rules::Limits& limits = rules_[number].limits;
  if (exception->disposition == events::Disposition::Terminated && exception->reason.empty() &&
      limits.action != rules::Action::Terminate) {
    exception->reason = fatal_reason(rules_[number]);
  }
}

void Drain::say_what_is_missing() {
  if (sink_ == nullptr) return;
  const auto say = [&](const char* rule, uint64_t count, const char* why) {
    if (count == 0) return;
    events::VerifierRecord record;
    record.time_ns = now_ns(CLOCK_REALTIME);
    record.rule = rule;
    record.message = fmt::format("{} event{} {}", count, count == 1 ? "" : "s", why);
    record.events_missing = count;
    sink_->accept(std::move(record));
  };
  say("events-dropped", reader_.dropped(),
      "missing: the event ring was full, the programs were faster than the report");
  say("events-incomplete", reader_.skipped(), "missing: their threads died while they wrote them");
  say("events-damaged", damaged_,
      "missing: a program has written something else over the event ring");
}

}  // namespace kebound::inproc_run
