// SPDX-License-Identifier: Apache-2.0
//
// kebound report: recorded events in another form.
#include <fmt/format.h>
#include <signal.h>

#include "report/render_recorded.h"
#include "tools/kebound/command.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/recorded_input.h"
#include "tools/kebound/report_file.h"
#include "tools/kebound/simple_options.h"

namespace kebound::tool {
namespace {

constexpr Syntax kSyntax{
    "report", "FILE",
    "Write the report about the events in FILE (- is stdin) of --report jsonl.",
    "Exit status: 0; 125 usage error, FILE is no such report, or the new one could\n"
    "not be written. Manual: man kebound\n"};

std::string take_format(const std::string& text, report::Format& format) {
  using report::Format;
  const struct {
    const char* name;
    Format format;
  } known[] = {{"text", Format::Text},
               {"jsonl", Format::Jsonl},
               {"sarif", Format::Sarif},
               {"html", Format::Html}};
  for (const auto& item : known) {
    if (text != item.name) continue;
    format = item.format;
    return {};
  }
  return fmt::format("'{}' is not one of text, jsonl, sarif, html", text);
}

int render(const std::string& path, const std::optional<std::string>& output,
           report::Options& options) {
  RecordedInput input;
  if (!input.open(path)) return kStatusFailure;
  ReportFile file;
  if (!file.open(output)) return kStatusFailure;
  signal(SIGPIPE, SIG_IGN);  // no program is started: a reader that is gone is an error like others
  options.fd = file.fd();
  options.colour = file.wants_colour();
  report::RecordedFile events(input.fd());
  const auto result = report::render_recorded(events, options);
  switch (result.kind) {
    case report::RenderedReport::Kind::BadInput:
      print_message({fmt::format("{}:{}", input.name(), result.line), result.why,
                     "give a file that --report jsonl wrote"});
      return kStatusFailure;
    case report::RenderedReport::Kind::CannotWrite:
      print_message({file.name(), result.why, "choose another file with --output"});
      return kStatusFailure;
    case report::RenderedReport::Kind::Done:
      break;
  }
  if (result.has_partial) {
    print_message({fmt::format("{}:{}", input.name(), result.line),
                   "the last line was cut off and is left out", ""});
  } else if (!result.has_summary) {
    print_message({input.name(), "ends without a summary: it is not complete", ""});
  }
  if (result.unknown_events != 0) {
    print_message(
        {input.name(),
         fmt::format("{} events are of kinds that this version does not know and are left out",
                     result.unknown_events),
         ""});
  }
  return 0;
}

}  // namespace

int report_main(const std::vector<std::string>& words) {
  report::Options options;
  std::optional<std::string> output = "-";
  std::string source_root = ".";
  const std::vector<SimpleOption> table = {
      {"--format", 0, "FORMAT", "text (default), jsonl, sarif or html",
       [&](const std::string& text) { return take_format(text, options.format); }},
      {"--output", 'o', "FILE", "write to FILE instead of standard output (-)",
       [&](const std::string& text) {
         output = text;
         return std::string();
       }},
      {"--source-root", 0, "DIR", "sarif, html: name files relative to DIR (.)",
       [&](const std::string& text) {
         source_root = text;
         return std::string();
       }},
      {"--verbose", 0, nullptr, "text: starts and exits, and every repeated exception",
       [&](const std::string&) {
         options.verbose = true;
         return std::string();
       }}};
  const SimpleParse parsed = parse_simple(kSyntax, table, words);
  if (const auto* help = std::get_if<HelpText>(&parsed)) return print_help(help->text);
  if (const auto* wrong = std::get_if<Message>(&parsed)) {
    print_message(*wrong);
    return kStatusFailure;
  }
  const auto& operands = std::get<std::vector<std::string>>(parsed);
  if (operands.size() != 1) {
    print_message({"FILE", operands.empty() ? "none is given" : "more than one is given",
                   "see 'kebound report --help'"});
    return kStatusFailure;
  }
  options.source_root = absolute_directory(source_root);
  return render(operands[0], output, options);
}

}  // namespace kebound::tool
