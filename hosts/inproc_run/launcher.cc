// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/launcher.h"

#include <errno.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "hosts/inproc_run/drain.h"
#include "hosts/inproc_run/ring_file.h"
#include "hosts/inproc_run/rules_file.h"

namespace kebound::inproc_run {
namespace {

// While one lives, ends of children are kept until they are asked for, also where kebound itself
// was started with SIGCHLD ignored.
class ScopedChildSignal {
 public:
  ScopedChildSignal() noexcept {
    struct sigaction fallback {};
    fallback.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &fallback, &before_);
  }
  ScopedChildSignal(const ScopedChildSignal&) = delete;
  ScopedChildSignal& operator=(const ScopedChildSignal&) = delete;
  ~ScopedChildSignal() { sigaction(SIGCHLD, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

}  // namespace

struct Launcher::State {
  explicit State(const Options& given)
      : options(given),
        ring(given.capacity),
        rules_file(given.rules.empty() ? nullptr : std::make_unique<RulesFile>(given.rules_table)),
        drain(ring, given.sink, given.rules.empty() ? given.on_bound : "rules", options.rules,
              given.trap_messages) {}

  [[nodiscard]] LaunchSpec with_library(const LaunchSpec& spec) const;
  [[nodiscard]] Outcome wait_for_all(pid_t first);

  Options options;
  RingFile ring;
  std::unique_ptr<RulesFile> rules_file;  // null: no rules
  Drain drain;
  std::atomic<pid_t> first{0};  // 0: not there, or gone
  std::atomic<bool> stop_requested{false};
};

Launcher::Launcher(const Options& options) : state_(std::make_unique<State>(options)) {}
Launcher::~Launcher() = default;

LaunchSpec Launcher::State::with_library(const LaunchSpec& spec) const {
  LaunchSpec result = spec;
  const char* const others = getenv("LD_PRELOAD");
  // Ours first: a library of the user's that sets handlers is then a part of the program to us.
  result.environment.push_back(others == nullptr || *others == '\0'
                                   ? "LD_PRELOAD=" + options.library
                                   : fmt::format("LD_PRELOAD={}:{}", options.library, others));
  result.environment.push_back("KEBOUND_RING=" + ring.path());
  if (rules_file) result.environment.push_back("KEBOUND_RULES=" + rules_file->path());
  // It takes numbers of 19 digits: as good as any more for a count of exceptions.
  const uint64_t limit = std::min(options.livelock_limit, uint64_t{9'999'999'999'999'999'999U});
  result.environment.push_back(
      fmt::format("KEBOUND_OPTIONS=--on-bound {} --profile {} --livelock-limit {} --calls {}",
                  options.on_bound, options.profile, limit, options.calls));
  return result;
}

Outcome Launcher::State::wait_for_all(pid_t first_pid) {
  Outcome outcome;
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) return outcome;  // ECHILD: the last one is gone
    const bool signaled = WIFSIGNALED(status);
    const int code = signaled ? WTERMSIG(status) : WEXITSTATUS(status);
    if (pid == first_pid) {
      first = 0;
      outcome.kind = signaled ? Outcome::Kind::Signaled : Outcome::Kind::Exited;
      outcome.status = code;
    }
    drain.on_end(pid, signaled, code);
  }
}

Outcome Launcher::run(const LaunchSpec& spec) {
  State& state = *state_;
  const posix::ScopedTerminalSignals terminal_signals;
  const ScopedChildSignal child_signal;
  // Descendants whose parents are gone come to us, so that the run ends when the last one has.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  posix::Launched launched = posix::launch(state.with_library(spec), nullptr);
  if (launched.pid == 0) return launched.failure;
  int error = 0;
  if (!posix::wait_for_exec(launched, error)) {
    waitpid(launched.pid, nullptr, 0);
    return posix::explain_exec_error(error, spec);
  }
  std::error_code ignored;  // then it stays as it was given
  const std::filesystem::path path = posix::find_program(spec.program);
  const std::filesystem::path full = std::filesystem::canonical(path, ignored);
  state.drain.start(launched.pid, full.empty() ? path : full);
  state.first = launched.pid;
  if (state.stop_requested) request_stop();
  Outcome outcome = state.wait_for_all(launched.pid);
  const Drain::Totals totals = state.drain.finish();
  outcome.exceptions = totals.exceptions;
  // Those that once, first and sample kept out of the report happened, too.
  for (const RuleTotals& rule : rule_totals()) {
    outcome.exceptions += rule.matched - rule.reported - rule.suppressed;
  }
  if (totals.bug_checks != 0) outcome.kind = Outcome::Kind::BugCheck;
  return outcome;
}

std::vector<RuleTotals> Launcher::rule_totals() const {
  std::vector<RuleTotals> totals;
  for (size_t i = 0; i < state_->options.rules.size(); ++i) {
    const rules::RuleCounts& counts = state_->rules_file->counts(i);
    RuleTotals it{counts.matched.load(), counts.reported.load(), counts.suppressed.load()};
    // A program can have written anything there.
    it.reported = std::min(it.reported, it.matched);
    it.suppressed = std::min(it.suppressed, it.matched - it.reported);
    totals.push_back(it);
  }
  return totals;
}

void Launcher::request_stop() noexcept {
  state_->stop_requested = true;
  if (const pid_t first = state_->first; first > 0) kill(first, SIGTERM);
}

}  // namespace kebound::inproc_run
