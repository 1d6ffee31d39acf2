// SPDX-License-Identifier: Apache-2.0
#include "report/reporter.h"

#include <errno.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "report/html.h"
#include "report/journal.h"
#include "report/jsonl.h"
#include "report/output.h"
#include "report/record_queue.h"
#include "report/resolver.h"
#include "report/sarif.h"
#include "report/text.h"

namespace kebound::report {
namespace {

constexpr size_t kWriteSize = 64 * 1024;
// Names for many new places can take a while: what is rendered does not wait for the rest of its
// batch.
constexpr std::chrono::milliseconds kLongestWait{50};

int64_t now_ns() {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Blocks every signal for the calling thread while it lives: a thread inherits the mask, and the
// program's signals (SIGPIPE of the report's pipe too) are not the writer's business.
class ScopedSignalBlock {
 public:
  ScopedSignalBlock() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ScopedSignalBlock(const ScopedSignalBlock&) = delete;
  ScopedSignalBlock& operator=(const ScopedSignalBlock&) = delete;
  ~ScopedSignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

std::unique_ptr<Renderer> make_renderer(const Options& options, Resolver& resolver) {
  if (options.format == Format::Jsonl) {
    return std::make_unique<JsonlRenderer>(resolver, options.gen_suppressions);
  }
  if (options.format == Format::Sarif) return std::make_unique<SarifRenderer>(options, resolver);
  if (options.format == Format::Html) return std::make_unique<HtmlRenderer>(options, resolver);
  if (options.format == Format::Journal) return make_journal_renderer(options.verbose, resolver);
  const TextOptions text{options.colour, options.verbose, options.intel_syntax,
                         options.gen_suppressions};
  return std::make_unique<TextRenderer>(text, resolver);
}

struct Reporter::State {
  const Options options;
  RecordQueue queue;
  std::unique_ptr<Resolver> resolver;
  std::unique_ptr<Renderer> renderer;
  std::thread writer;
  bool finished = false;
  FinishResult result;
  std::vector<RuleTally> rules;

  // Counted by the threads that bring the records, so that they are right whatever becomes of the
  // writing.
  std::atomic<uint64_t> records{0};
  std::atomic<uint64_t> by_disposition[3] = {};
  std::atomic<uint64_t> bug_checks{0};
  std::atomic<uint64_t> verifier{0};
  std::atomic<uint64_t> missing{0};

  // The writer's: readable by others once error is not 0, or the thread has ended.
  std::atomic<int> error{0};
  uint64_t written = 0;

  explicit State(const Options& given) : options(given), queue(given.queue_capacity) {}

  void count(const events::Record& record);
  [[nodiscard]] Totals totals() const;
  void run();
  void emit(std::string& text, uint64_t& records_in_it);
};

void Reporter::State::count(const events::Record& record) {
  constexpr auto kRelaxed =
      std::memory_order_relaxed;  // statistics: finish() joins before it reads them
  records.fetch_add(1, kRelaxed);
  if (const auto* exception = std::get_if<events::BoundException>(&record)) {
    by_disposition[static_cast<size_t>(exception->disposition) % 3].fetch_add(1, kRelaxed);
  } else if (std::holds_alternative<events::BugCheckRecord>(record)) {
    bug_checks.fetch_add(1, kRelaxed);
  } else if (const auto* violation = std::get_if<events::VerifierRecord>(&record)) {
    verifier.fetch_add(1, kRelaxed);
    missing.fetch_add(violation->events_missing, kRelaxed);
  }
}

Totals Reporter::State::totals() const {
  Totals totals;
  totals.handled = by_disposition[static_cast<size_t>(events::Disposition::Handled)];
  totals.propagated = by_disposition[static_cast<size_t>(events::Disposition::Propagated)];
  totals.terminated = by_disposition[static_cast<size_t>(events::Disposition::Terminated)];
  totals.exceptions = totals.handled + totals.propagated + totals.terminated;
  totals.bug_checks = bug_checks;
  totals.verifier = verifier;
  totals.missing = missing;
  totals.rules = rules;
  for (const RuleTally& rule : rules) {
    totals.suppressed += rule.suppressed;
    totals.limited += rule.matched - rule.reported - rule.suppressed;
  }
  return totals;
}

void Reporter::State::emit(std::string& text, uint64_t& records_in_it) {
  if (error == 0) {
    error = write_all(options.fd, text);
    if (error == 0) written += records_in_it;
  }
  text.clear();
  records_in_it = 0;
}

void Reporter::State::run() {
  std::vector<events::Record> batch;
  std::string text;
  uint64_t rendered = 0;
  while (queue.take(batch)) {
    auto last_emit = std::chrono::steady_clock::now();
    for (const auto& record : batch) {
      if (error != 0) break;
      try {
        renderer->render(record, text);
        ++rendered;
        if (error == 0) error = renderer->error();
      } catch (const std::bad_alloc&) {
        error = ENOMEM;
      }
      if (text.empty()) continue;
      const auto now = std::chrono::steady_clock::now();
      if (text.size() >= kWriteSize || now - last_emit >= kLongestWait) {
        emit(text, rendered);
        last_emit = now;
      }
    }
    emit(text, rendered);
    batch.clear();
    queue.done();
  }
}

Reporter::Reporter(const Options& options) : state_(std::make_unique<State>(options)) {
  if (options.format == Format::None) return;
  state_->resolver = make_isolated_resolver(options.debug_path);
  if (!state_->resolver) state_->resolver = make_local_resolver(options.debug_path);
  state_->renderer = make_renderer(options, *state_->resolver);
  const ScopedSignalBlock block;
  state_->writer = std::thread([state = state_.get()] {
    pthread_setname_np(pthread_self(), "kebound-report");
    state->run();
  });
}

Reporter::~Reporter() { finish(); }

void Reporter::accept(events::Record&& record) {
  state_->count(record);
  if (state_->options.format == Format::None || state_->error.load(std::memory_order_relaxed) != 0)
    return;
  const bool is_last_word = std::holds_alternative<events::BugCheckRecord>(record);
  state_->queue.put(std::move(record));
  if (is_last_word) state_->queue.wait_until_done();
}

bool Reporter::flush() {
  if (state_->writer.joinable()) state_->queue.wait_until_done();
  return state_->error == 0;
}

void Reporter::add_rules(std::vector<RuleTally> rules) { state_->rules = std::move(rules); }

FinishResult Reporter::finish() {
  auto& state = *state_;
  if (state.finished) return state.result;
  state.finished = true;
  state.queue.close();
  if (state.writer.joinable()) state.writer.join();
  state.result.totals = state.totals();
  if (state.renderer) {
    const ScopedSignalBlock block;  // as the writer had it
    std::string text;
    state.renderer->finish(state.result.totals, now_ns(), text);
    uint64_t none = 0;
    state.emit(text, none);
    struct timespec at_once = {};
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (state.error == EPIPE) sigtimedwait(&pipe, nullptr, &at_once);  // ours, and reported below
  }
  if (const int error = state.error; error != 0) {
    state.result.ok = false;
    state.result.error = error;
    const uint64_t records = state.records;
    state.result.why = fmt::format("cannot write the report: {} ({} of {} records are missing)",
                                   strerror(error), records - state.written, records);
  }
  return state.result;
}

}  // namespace kebound::report
