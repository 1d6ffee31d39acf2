// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/session.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "hosts/driver/builtin_driver.h"
#include "hosts/driver/native_driver.h"
#include "nt/facility.h"
#include "report/reporter.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/message.h"
#include "tools/kebound/report_file.h"
#include "tools/kebound/rule_policy.h"
#include "tools/kebound/signals.h"
#include "tools/kebound/trap_messages.h"

namespace kebound::tool {
namespace {

using supervisor::Outcome;
using supervisor::Supervisor;

supervisor::Options supervisor_options(const TraceOptions& options, events::Sink* sink,
                                       driver::Policy* policy,
                                       events::TrapMessages* trap_messages) {
  supervisor::Options result;
  result.sink = sink;
  result.policy = policy;
  result.trap_messages = trap_messages;
  result.livelock_limit = options.livelock_limit;
  static_cast<void>(calls::parse_families(options.calls.c_str(), result.calls));
  result.callback_threads = options.callback_threads;
  result.pin = options.pin;
  result.pin_cpu = options.pin_cpu;
  result.backtraces = options.backtraces;
  return result;
}

// Tells the handles of this process from those of any other; never 0, so that no handle is a small
// number.
uint16_t random_instance_tag() {
  uint16_t tag = 0;
  if (getrandom(&tag, sizeof tag, GRND_NONBLOCK) != sizeof tag)
    tag = static_cast<uint16_t>(getpid());
  return tag != 0 ? tag : 1;
}

// Runs `fn` as NT code. False: it did not finish.
template <class Fn>
[[nodiscard]] bool as_driver_code(Supervisor& supervisor, Fn&& fn) {
  return supervisor.run_driver_code(
      [](void* argument) { (*static_cast<std::remove_reference_t<Fn>*>(argument))(); }, &fn);
}

// Everything that is registered for one run, in the order in which it was.
class Drivers {
 public:
  Drivers(Supervisor& supervisor, events::Sink* sink) : supervisor_(supervisor), sink_(sink) {}
  Drivers(const Drivers&) = delete;
  Drivers& operator=(const Drivers&) = delete;
  // After a bug check nothing of a driver may run again: its images stay until the process ends.
  ~Drivers() { abandon(); }

  // 0, or the exit status with which to end.
  [[nodiscard]] int load(const TraceOptions& options) {
    const bool with_rules = !options.rules.empty();
    if (options.drivers.empty() || options.on_bound || with_rules) {
      const auto policy = options.on_bound.value_or(driver::OnBound::Propagate);
      if (!as_driver_code(supervisor_,
                          [&] { builtin_ = driver::install_builtin_driver(policy, with_rules); })) {
        return kStatusBugCheck;
      }
      if (!builtin_) {
        print_message({"--on-bound", "the built-in callback could not be registered",
                       "please report it with the command line"});
        return kStatusFailure;
      }
    }
    for (const std::string& path : options.drivers) {
      std::unique_ptr<driver::NativeDriver> loaded;
      driver::LoadError error;
      if (!as_driver_code(supervisor_, [&] { loaded = driver::NativeDriver::load(path, error); })) {
        return kStatusBugCheck;
      }
      if (!loaded) {
        print_message({path, error.why, error.remedy});
        static_cast<void>(unload());  // a bug check in it is seen by the caller
        return kStatusDriver;
      }
      loaded_.push_back(std::move(loaded));
      record(events::DriverLoaded{events::realtime_ns(), loaded_.back()->name(), path});
    }
    return 0;
  }

  // A driver cannot be unloaded.
  [[nodiscard]] bool any_stays() const { return any_stays_; }

  // In reverse order. False: it could not be done to its end, and nothing of a driver may run
  // again.
  [[nodiscard]] bool unload() {
    while (!loaded_.empty()) {
      bool gone = false;
      if (!as_driver_code(supervisor_, [&] { gone = loaded_.back()->unload(); })) return false;
      if (gone) record(events::DriverUnloaded{events::realtime_ns(), loaded_.back()->name()});
      // As on NT, a driver without DriverUnload stays until the host ends.
      if (!gone) {
        static_cast<void>(loaded_.back().release());
        any_stays_ = true;
      }
      loaded_.pop_back();
    }
    return !builtin_ || as_driver_code(supervisor_, [&] {
      driver::remove_builtin_driver();
      builtin_ = false;
    });
  }

 private:
  void abandon() {
    for (auto& driver : loaded_) static_cast<void>(driver.release());
    loaded_.clear();
  }

  void record(events::Record&& record) {
    if (sink_ != nullptr) sink_->accept(std::move(record));
  }

  Supervisor& supervisor_;
  events::Sink* sink_;
  bool builtin_ = false;
  bool any_stays_ = false;
  std::vector<std::unique_ptr<driver::NativeDriver>> loaded_;
};

struct End {
  int status = 0;
  int signal = 0;  // not 0: the target died of it
  bool bug_check = false;
  bool driver_left = false;  // code of a driver may still run, or wait to
};

End end_of(const TraceOptions& options, const Job& job, const Outcome& outcome) {
  if (outcome.kind == Outcome::Kind::Failed) {
    return {report_failed_start(job.what, outcome, job.explain)};
  }
  if (options.error_exitcode && outcome.exceptions > 0) return {*options.error_exitcode};
  if (outcome.kind == Outcome::Kind::Signaled) return {0, outcome.status};
  return {outcome.kind == Outcome::Kind::Exited ? outcome.status : 0};
}

End trace(const TraceOptions& options, const Job& job, Supervisor& supervisor, events::Sink* sink) {
  const ScopedSignals signals(supervisor);
  Drivers drivers(supervisor, sink);
  End end;
  end.status = drivers.load(options);
  if (end.status == 0) {
    const Outcome outcome = job.start(supervisor);
    if (outcome.kind != Outcome::Kind::BugCheck) {
      end = end_of(options, job, outcome);
      end.driver_left = !drivers.unload();
    }
  }
  if (supervisor.bug_check_raised()) end = {kStatusBugCheck, 0, true, true};
  end.driver_left |= drivers.any_stays();
  return end;
}

}  // namespace

int run_session(const TraceOptions& options, std::vector<rules::Rule> rules, const Job& job) {
  ReportFile file;
  if (!report_can_be_made(options) || !file.open(options.output)) return kStatusFailure;
  // Before there are threads, and with a process of its own: the tracing thread waits for its
  // answers, and must not wait for the report's.
  const std::unique_ptr<report::Resolver> resolver =
      report::make_isolated_resolver(report::Options{}.debug_path);
  std::unique_ptr<RulePolicy> policy;
  if (!options.rules.empty()) {
    policy = std::make_unique<RulePolicy>(std::move(rules), resolver.get());
  }
  TrapMessages trap_messages(resolver.get());
  report::Reporter reporter(make_report_options(options, file));
  nt::Facility::configure(options.profile, random_instance_tag());
  // Without a report the supervisor builds no records at all.
  const bool reports = options.report != ReportFormat::None;
  events::Sink* const sink = reports ? &reporter : nullptr;
  auto supervisor =
      std::make_unique<Supervisor>(supervisor_options(options, sink, policy.get(), &trap_messages));
  End end = trace(options, job, *supervisor, sink);
  if (policy != nullptr) reporter.add_rules(policy->tallies());
  const report::FinishResult result = reporter.finish();
  if (end.bug_check && !reports) {
    print_message({job.what, "a driver stopped the host with a bug check",
                   "leave out '--report none' to see which and why"});
  }
  if (!result.ok) {
    print_message({file.name(), result.why, "choose another file with --output"});
    if (!end.bug_check) end = {kStatusFailure, 0, false, end.driver_left};
  }
  if (end.signal != 0) die_of_signal(end.signal);
  if (end.driver_left) {
    // Threads of a driver may be running: what they use must not be destroyed under them.
    fflush(nullptr);
    _exit(end.status);
  }
  return end.status;
}

}  // namespace kebound::tool
