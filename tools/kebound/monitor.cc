// SPDX-License-Identifier: Apache-2.0
//
// kebound monitor: reports what kebound.ko tells by /dev/kebound, of all processes that this user
// may see, until it is told to end.
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "hosts/inproc_run/processes.h"
#include "hosts/inproc_run/ring_record.h"
#include "include/kebound/device.h"
#include "report/reporter.h"
#include "tools/kebound/command.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/message.h"
#include "tools/kebound/report_file.h"

namespace kebound::tool {
namespace {

struct MonitorOptions {
  std::string device = KEBOUND_DEVICE;
  std::string report = "text";
  std::optional<std::string> output;
  uint64_t count = 0;  // 0: no limit
  bool verbose = false;
};

// SIGINT and SIGTERM as something to wait for.
class EndSignals {
 public:
  EndSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;
  ~EndSignals() { close(fd_); }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

class Monitor {
 public:
  Monitor(int device, events::Sink& sink) : device_(device), sink_(sink), processes_(sink, "") {}

  // 0, or an errno.
  [[nodiscard]] int run(int end_signals, uint64_t count) {
    pollfd waits[] = {{device_, POLLIN, 0}, {end_signals, POLLIN, 0}};
    for (uint64_t taken = 0; count == 0 || taken < count;) {
      if (poll(waits, 2, -1) < 0 && errno != EINTR) return errno;
      if (waits[1].revents != 0) return 0;
      kebound_ring_record raw;
      const ssize_t size = read(device_, &raw, sizeof raw);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (size < 0) return errno;
      if (size != sizeof raw) return EPROTO;
      take(raw);
      ++taken;
    }
    return 0;
  }

 private:
  void take(kebound_ring_record& raw) {
    if (raw.sequence > next_) say_missing(raw.sequence - next_);
    next_ = raw.sequence + 1;
    auto record = inproc_run::check_ring_record(raw);
    if (record) processes_.take(std::move(*record));
  }

  void say_missing(uint64_t count) {
    events::VerifierRecord record;
    record.time_ns = events::realtime_ns();
    record.rule = "events-dropped";
    record.message = fmt::format("{} event{} missing: the programs were faster than the report",
                                 count, count == 1 ? "" : "s");
    record.events_missing = count;
    sink_.accept(std::move(record));
  }

  int device_;
  events::Sink& sink_;
  inproc_run::Processes processes_;
  uint64_t next_ = 1;
};

int monitor(const MonitorOptions& options) {
  const int device = open(options.device.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (device < 0) {
    print_message({options.device, error_text(errno),
                   errno == ENOENT ? "load kebound.ko (docs/linux-module.md)"
                                   : "see its permissions with ls -l"});
    return kStatusFailure;
  }
  ReportFile file;
  if (!file.open(options.output)) {
    close(device);
    return kStatusFailure;
  }
  TraceOptions trace;
  trace.report = options.report == "jsonl" ? ReportFormat::JsonLines : ReportFormat::Text;
  trace.verbose = options.verbose;
  report::Reporter reporter(make_report_options(trace, file));
  const EndSignals signals;
  const int error = Monitor(device, reporter).run(signals.fd(), options.count);
  close(device);
  const report::FinishResult result = reporter.finish();
  if (error != 0)
    print_message({options.device, error_text(error), "is it the device of kebound.ko?"});
  if (!result.ok) print_message({file.name(), result.why, "choose another file with --output"});
  return error != 0 || !result.ok ? kStatusFailure : 0;
}

}  // namespace

int monitor_main(const std::vector<std::string>& words) {
  MonitorOptions options;
  CLI::App app(
      "Report the bound exceptions of all processes that this user may see, as\n"
      "kebound.ko tells them, until SIGINT or SIGTERM. root sees all.",
      "kebound monitor");
  app.add_option("--report", options.report, "text (the default) or jsonl")
      ->check(CLI::IsMember({"text", "jsonl"}));
  app.add_option("-o,--output", options.output, "FILE for the report; - is standard output");
  app.add_option("--count", options.count, "end after N records; 0: never");
  app.add_option("--device", options.device, "another device than " KEBOUND_DEVICE);
  app.add_flag("--verbose", options.verbose, "report repeated exceptions one by one");
  app.footer("Exit status: 0; 125 usage error, or the device or the report failed.");
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return print_help(app.help());
  } catch (const CLI::ParseError& error) {
    print_message({"monitor", error.what(), "see 'kebound monitor --help'"});
    return kStatusFailure;
  }
  return monitor(options);
}

}  // namespace kebound::tool
