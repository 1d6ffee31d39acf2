// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/inproc_session.h"

#include <utility>

#include "hosts/inproc_run/launcher.h"
#include "hosts/inproc_run/preload_fit.h"
#include "report/reporter.h"
#include "report/resolver.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/inproc_rules.h"
#include "tools/kebound/message.h"
#include "tools/kebound/signals.h"
#include "tools/kebound/trap_messages.h"

namespace kebound::tool {
namespace {

using posix::Outcome;

const char* policy_name(driver::OnBound policy) {
  switch (policy) {
    case driver::OnBound::Propagate:
      return "propagate";
    case driver::OnBound::Clamp:
      return "clamp";
    case driver::OnBound::Skip:
      return "skip";
    case driver::OnBound::Terminate:
      return "terminate";
  }
  return "propagate";
}

inproc_run::Options launcher_options(const TraceOptions& options, const std::string& folder,
                                     events::Sink* sink) {
  inproc_run::Options result;
  result.sink = sink;
  result.library = inproc_run::preload_path(folder);
  result.on_bound = policy_name(options.on_bound.value_or(driver::OnBound::Propagate));
  result.profile = options.profile == nt::Profile::Windows ? "windows" : "default";
  result.livelock_limit = options.livelock_limit;
  result.calls = options.calls;
  return result;
}

std::vector<report::RuleTally> tallies(const std::vector<rules::Rule>& rules,
                                       const std::vector<inproc_run::RuleTotals>& totals) {
  std::vector<report::RuleTally> result;
  for (size_t i = 0; i < rules.size(); ++i) {
    result.push_back({rules[i].place(), rules[i].text, totals[i].matched, totals[i].reported,
                      totals[i].suppressed});
  }
  return result;
}

}  // namespace

std::string find_inproc_host(const TraceOptions& options, const std::string& program,
                             Message& why) {
  if (!options.supervisor_only.empty()) {
    why = {*options.supervisor_only.begin(), "only the supervisor has it", "leave it out"};
    return {};
  }
  std::string folder = inproc_run::find_preload_folder(KEBOUND_LIBDIR);
  if (auto misfit = inproc_run::find_misfit(program, folder)) {
    why = {program, std::move(misfit->why), std::move(misfit->remedy)};
    return {};
  }
  return folder;
}

int run_inproc_session(const TraceOptions& options, const std::vector<rules::Rule>& rules,
                       const posix::LaunchSpec& spec, const std::string& folder,
                       const Explain& explain) {
  ReportFile file;
  if (!report_can_be_made(options) || !file.open(options.output)) return kStatusFailure;
  std::vector<uint8_t> table;
  if (!rules.empty()) {
    Message why;
    auto made = make_rules_table(rules, spec.program, why);
    if (!made) {
      print_message(why);
      return kStatusFailure;
    }
    table = std::move(*made);
  }
  // Before there are threads, as it makes a process.
  const std::unique_ptr<report::Resolver> resolver =
      report::make_isolated_resolver(report::Options{}.debug_path);
  TrapMessages trap_messages(resolver.get());
  report::Reporter reporter(make_report_options(options, file));
  const bool reports = options.report != ReportFormat::None;
  inproc_run::Options host = launcher_options(options, folder, reports ? &reporter : nullptr);
  host.rules_table = std::move(table);
  host.rules = rules;
  host.trap_messages = &trap_messages;
  inproc_run::Launcher launcher(host);
  Outcome outcome;
  {
    const ScopedSignals signals(launcher);
    outcome = launcher.run(spec);
  }
  int status = outcome.status;
  int signal = 0;
  if (outcome.kind == Outcome::Kind::Failed) {
    status = report_failed_start(spec.program, outcome, explain);
  } else if (outcome.kind == Outcome::Kind::BugCheck) {
    status = kStatusBugCheck;
  } else if (options.error_exitcode && outcome.exceptions > 0) {
    status = *options.error_exitcode;
  } else if (outcome.kind == Outcome::Kind::Signaled) {
    signal = outcome.status;
  }
  reporter.add_rules(tallies(rules, launcher.rule_totals()));
  const report::FinishResult result = reporter.finish();
  if (!result.ok) {
    print_message({file.name(), result.why, "choose another file with --output"});
    if (outcome.kind != Outcome::Kind::BugCheck) return kStatusFailure;
  }
  if (signal != 0) die_of_signal(signal);
  return status;
}

}  // namespace kebound::tool
