// SPDX-License-Identifier: Apache-2.0
//
// kebound replay: recorded exceptions put before drivers again.
#include <fmt/format.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "hosts/driver/builtin_driver.h"
#include "hosts/driver/native_driver.h"
#include "hosts/replay/replay_host.h"
#include "report/recorded.h"
#include "tools/kebound/command.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/recorded_input.h"
#include "tools/kebound/replay_compare.h"
#include "tools/kebound/report_file.h"
#include "tools/kebound/simple_options.h"

namespace kebound::tool {
namespace {

constexpr Syntax kSyntax{
    "replay", "FILE --driver FILE",
    "Put the exceptions in FILE (- is stdin) of --report jsonl before drivers again.",
    "Exit status: 0 all came to what was recorded; 1 some did not, or could not be\n"
    "told; 123 bug check; 124 a driver could not be loaded; 125 usage error, or FILE\n"
    "is no such report. Manual: man kebound\n"};

struct ReplayOptions {
  std::vector<std::string> drivers;
  std::optional<driver::OnBound> on_bound;
  replay::Options host;
  std::optional<std::string> output = "-";
  bool verbose = false;
};

std::vector<SimpleOption> option_table(ReplayOptions& options) {
  const auto on_bound = [&](const std::string& text) -> std::string {
    using driver::OnBound;
    const std::pair<const char*, OnBound> known[] = {{"propagate", OnBound::Propagate},
                                                     {"clamp", OnBound::Clamp},
                                                     {"skip", OnBound::Skip},
                                                     {"terminate", OnBound::Terminate}};
    for (const auto& [name, policy] : known) {
      if (text != name) continue;
      options.on_bound = policy;
      return {};
    }
    return fmt::format("'{}' is not one of propagate, clamp, skip, terminate", text);
  };
  const auto profile = [&](const std::string& text) -> std::string {
    if (text != "default" && text != "windows") {
      return fmt::format("'{}' is not one of default, windows", text);
    }
    options.host.profile = text == "windows" ? nt::Profile::Windows : nt::Profile::Default;
    return {};
  };
  const auto store = [](auto&& take) {
    return [take](const std::string& text) {
      take(text);
      return std::string();
    };
  };
  return {
      {"--driver", 0, "FILE", "load a driver; repeatable, the last one is asked first",
       store([&](const std::string& text) { options.drivers.push_back(text); })},
      {"--on-bound", 0, "ACTION", "built-in answer: propagate, clamp, skip, terminate", on_bound},
      {"--profile", 0, "NAME", "default (chain of 64) or windows (one slot)", profile},
      {"--output", 'o', "FILE", "write to FILE instead of standard output (-)",
       store([&](const std::string& text) { options.output = text; })},
      {"--verbose", 0, nullptr, "show every exception, not only those that differ",
       store([&](const std::string&) { options.verbose = true; })}};
}

// Runs `fn` as driver code. False: the host died in it.
template <class Fn>
[[nodiscard]] bool as_driver_code(replay::ReplayHost& host, Fn&& fn) {
  return host.run_driver_code(
      [](void* argument) { (*static_cast<std::remove_reference_t<Fn>*>(argument))(); }, &fn);
}

class Replay {
 public:
  Replay(const ReplayOptions& options, int fd)
      : options_(options), writer_(fd, options.verbose), host_(options.host) {}

  int run(RecordedInput& input) {
    int status = load();
    if (status == 0) status = present_all(input);
    if (host_.dead()) {
      writer_.bug_check(host_.bug_check_record());
      status = kStatusBugCheck;
    } else if (!host_.driver_left() && !unload()) {
      writer_.bug_check(host_.bug_check_record());
      status = kStatusBugCheck;
    }
    writer_.records(host_.take_records());
    if (!writer_.finish()) status = kStatusFailure;
    // Threads of a driver may be running, or stand in it for good: what they use must not be
    // destroyed under them.
    fflush(nullptr);
    _exit(status);
  }

 private:
  int load() {
    if (options_.on_bound) {
      bool is_installed = false;
      if (!as_driver_code(
              host_, [&] { is_installed = driver::install_builtin_driver(*options_.on_bound); })) {
        return kStatusBugCheck;
      }
      if (!is_installed) {
        print_message(
            {"--on-bound", "the built-in callback could not be registered", "leave it out"});
        return kStatusFailure;
      }
    }
    for (const auto& path : options_.drivers) {
      std::unique_ptr<driver::NativeDriver> loaded;
      driver::LoadError error;
      if (!as_driver_code(host_, [&] { loaded = driver::NativeDriver::load(path, error); })) {
        return kStatusBugCheck;
      }
      if (!loaded) {
        print_message({path, error.why, error.remedy});
        return kStatusDriver;
      }
      loaded_.push_back(std::move(loaded));
    }
    return 0;
  }

  int present_all(RecordedInput& input) {
    report::RecordedFile events(input.fd());
    for (report::RecordedLine line;;) {
      switch (events.next(line)) {
        case report::RecordedFile::Next::Line:
          break;
        case report::RecordedFile::Next::End:
          return writer_.all_same() ? 0 : 1;
        case report::RecordedFile::Next::Partial:
          print_message({fmt::format("{}:{}", input.name(), events.line_number()),
                         "the last line was cut off and is left out", ""});
          return writer_.all_same() ? 0 : 1;
        case report::RecordedFile::Next::Error:
          print_message({fmt::format("{}:{}", input.name(), events.line_number()), events.error(),
                         "give a file that --report jsonl wrote"});
          return kStatusFailure;
      }
      const auto* const exception =
          line.record ? std::get_if<events::BoundException>(&*line.record) : nullptr;
      if (exception == nullptr) continue;
      const auto replayed = host_.present(*exception);
      writer_.records(host_.take_records());
      if (replayed.kind == replay::Replayed::Kind::HostDead) return kStatusBugCheck;
      writer_.compare(*exception, line.location, events.line_number(), replayed);
    }
  }

  bool unload() {
    while (!loaded_.empty()) {
      bool is_gone = false;
      if (!as_driver_code(host_, [&] { is_gone = loaded_.back()->unload(); })) return false;
      if (!is_gone) static_cast<void>(loaded_.back().release());
      loaded_.pop_back();
    }
    return true;
  }

  const ReplayOptions& options_;
  ReplayWriter writer_;
  replay::ReplayHost host_;
  std::vector<std::unique_ptr<driver::NativeDriver>> loaded_;
};

}  // namespace

int replay_main(const std::vector<std::string>& words) {
  ReplayOptions options;
  const SimpleParse parsed = parse_simple(kSyntax, option_table(options), words);
  if (const auto* help = std::get_if<HelpText>(&parsed)) return print_help(help->text);
  const char* const see_help = "see 'kebound replay --help'";
  if (const auto* wrong = std::get_if<Message>(&parsed)) {
    print_message(*wrong);
    return kStatusFailure;
  }
  const auto& operands = std::get<std::vector<std::string>>(parsed);
  if (operands.size() != 1) {
    print_message(
        {"FILE", operands.empty() ? "none is given" : "more than one is given", see_help});
    return kStatusFailure;
  }
  if (options.drivers.empty() && !options.on_bound) {
    print_message(
        {"--driver", "none is given, and no --on-bound: there is nobody to ask", see_help});
    return kStatusFailure;
  }
  RecordedInput input;
  ReportFile file;
  if (!input.open(operands[0]) || !file.open(options.output)) return kStatusFailure;
  signal(SIGPIPE, SIG_IGN);
  Replay replay(options, file.fd());
  return replay.run(input);
}

}  // namespace kebound::tool
