// SPDX-License-Identifier: Apache-2.0
#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "report/check_rules.h"
#include "report/disassembler.h"
#include "report/escape.h"
#include "report/names.h"
#include "report/phrases.h"
#include "report/suppression.h"

namespace kebound::report {
namespace {

using events::BoundException;
using events::Disposition;

// What a run may print in full; beyond it places are only counted.
constexpr uint64_t kMaxBlocks = 10'000;
constexpr size_t kMaxSummaryLines = 50;

template <typename... Arguments>
void append(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

std::string shared(const events::SharedName& name) { return name ? escaped(*name) : std::string(); }

std::string message(const events::VerifierRecord& record) {
  auto text = "kebound: verifier: " + escaped(record.rule) + ": " + escaped(record.message);
  if (!record.driver.empty()) text += " (driver " + escaped(record.driver);
  if (!record.callback.empty()) {
    text += record.driver.empty() ? " (" : ", ";
    text += "callback " + escaped(record.callback);
  }
  if (!record.driver.empty() || !record.callback.empty()) text += ')';
  if (record.tid != 0) append(text, " [process {}, thread {}]", record.pid, record.tid);
  return text + '\n';
}

void driver_output(const events::DriverOutput& record, std::string& out) {
  std::string_view text = record.text;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  const auto prefix = "[" + escaped(record.driver) + "] ";
  do {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    out += prefix;
    append_escaped(out, line);
    out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  } while (!text.empty());
}

}  // namespace

TextRenderer::TextRenderer(const TextOptions& options, Resolver& resolver)
    : options_(options), sites_(resolver) {}

void TextRenderer::styled(std::string& out, Style style, std::string_view text) const {
  static constexpr const char* kCodes[] = {"", "\x1b[1m", "\x1b[1;31m", "\x1b[32m", "\x1b[33m"};
  const bool colour = options_.colour && style != Style::Plain;
  if (colour) out += kCodes[static_cast<int>(style)];
  out += text;
  if (colour) out += "\x1b[0m";
}

void TextRenderer::render(const events::Record& record, std::string& out) {
  std::visit(Overloaded{
                 [&](const BoundException& it) { exception(it, out); },
                 [&](const events::DriverOutput& it) { driver_output(it, out); },
                 [&](const events::BugCheckRecord& it) { bug_check(it, out); },
                 [&](const events::VerifierRecord& it) { styled(out, Style::Yellow, message(it)); },
                 [&](const events::DriverLoaded& it) {
                   if (!options_.verbose) return;
                   append(out, "kebound: driver {} loaded from {}\n", escaped(it.driver),
                          escaped(it.path));
                 },
                 [&](const events::DriverUnloaded& it) {
                   if (options_.verbose)
                     append(out, "kebound: driver {} unloaded\n", escaped(it.driver));
                 },
                 [&](const events::ProcessStarted& it) {
                   if (!options_.verbose) return;
                   append(out, "kebound: process {} runs {} ({}-bit)\n", it.pid,
                          escaped(it.program), it.is_64bit ? 64 : 32);
                 },
                 [&](const events::ProcessExited& it) {
                   if (!options_.verbose) return;
                   append(out, "kebound: process {} {} {}\n", it.pid,
                          it.signaled ? "was killed by signal" : "exited with status", it.status);
                 },
             },
             record);
}

void TextRenderer::exception(const BoundException& exception, std::string& out) {
  const Sighting sighting = sites_.add(exception, false);
  const Place& place = sites_.place_of(exception);
  const bool is_new = sighting.first_of_disposition || sighting.new_reason;
  if (is_new && blocks_ < kMaxBlocks) {
    block(exception, place, out);
    if (++blocks_ == kMaxBlocks) out += "kebound: further places are counted, not described\n";
  } else if (options_.verbose) {
    append(out, "kebound: again: {} {}, thread {}: {}\n", violation(exception.event),
           where(place.location, exception.event.ip), exception.tid,
           events::disposition_name(exception.disposition));
  }
}

void TextRenderer::block(const BoundException& exception, const Place& place, std::string& out) {
  const auto& event = exception.event;
  styled(out, Style::Bold,
         fmt::format("kebound: bound exception: {} {}", violation(event),
                     where(place.location, event.ip)));
  out += '\n';
  append(out, "    program {}, process {}, thread {}", shared(exception.program), exception.pid,
         exception.tid);
  if (exception.thread_name && !exception.thread_name->empty()) {
    append(out, " \"{}\"", shared(exception.thread_name));
  }
  out += '\n';
  instruction(exception, place, out);
  check(exception, place, out);
  backtrace(exception, place, out);
  outcome(exception, out);
  if (options_.gen_suppressions) suppress(exception, place, out);
}

// Without an indent, to be copied as they are; two places that one rule is about get one.
void TextRenderer::suppress(const BoundException& exception, const Place& place, std::string& out) {
  std::string rule = suppression(exception.event, place.location);
  if (!suggested_.insert(rule).second) return;
  append(out, "# {} {}\n{}\n", violation(exception.event),
         where(place.location, exception.event.ip), rule);
}

void TextRenderer::instruction(const BoundException& exception, const Place& place,
                               std::string& out) {
  const auto& event = exception.event;
  append(out, "    at 0x{:08x}", event.ip);
  if (!place.location.module.empty()) {
    append(out, " ({}", escaped(place.location.module));
    if (place.location.offset) append(out, "+0x{:x}", *place.location.offset);
    out += ')';
  }
  const size_t available = std::min<size_t>(exception.code_size, sizeof exception.code);
  const auto code = disassemble(exception.code, available, event.ip, is_64bit_code(exception),
                                options_.intel_syntax);
  const size_t shown = code.length != 0 ? code.length : available;
  if (shown != 0) out += ':';
  for (size_t i = 0; i < shown; ++i) append(out, " {:02x}", exception.code[i]);
  if (!code.text.empty()) append(out, "  {}", code.text);
  if (event.bounds_address != 0) append(out, "  (bounds at 0x{:x})", event.bounds_address);
  out += '\n';
}

// What there is to know of a check that is no BOUND instruction.
void TextRenderer::check(const BoundException& exception, const Place& place, std::string& out) {
  const auto& event = exception.event;
  const bool is_bound = event.source == BoundSource::X86Bound;
  if (!is_bound) {
    append(out, "    check {}", check_rule(event.source, event.check).id);
    if (event.confidence != Confidence::Unknown && event.index_width != 0) {
      append(out, ", index of {} bits", event.index_width);
      if (event.index < 0) append(out, " (0x{:x})", event.index_raw);
      const char* const name = index_register_name(event);
      if (*name != '\0') append(out, " in {}", name);
      if (event.index_address != 0) append(out, " at 0x{:x}", event.index_address);
    }
    if (event.trap_ip != 0 && event.trap_ip != event.ip) {
      append(out, ", trap at 0x{:08x}", event.trap_ip);
    }
    out += '\n';
  }
  if (const auto& detail = detail_of(exception, place.location); !detail.empty()) {
    append(out, "    message: {}\n", escaped(detail));
  }
  const char* const why = doubt_text(event.doubt);
  const char* const colon = *why == '\0' ? "" : ": ";
  if (event.confidence == Confidence::Unknown) {
    append(out, "    index and bounds are not known{}{}\n", colon, why);
  } else {
    if (event.confidence == Confidence::Likely) {
      append(out, "    index and bounds are likely, not certain{}{}\n", colon, why);
    }
    if (!event.resumable) append(out, "    the check cannot be resumed{}{}\n", colon, why);
  }
}

void TextRenderer::backtrace(const BoundException& exception, const Place& place,
                             std::string& out) {
  auto frames = sites_.backtrace(exception);
  if (frames.empty()) frames.push_back({exception.event.ip, place.location});
  size_t number = 0;
  for (const auto& frame : frames) {
    const auto module = module_offset(frame.location);
    const auto suffix = module.empty() ? std::string() : " (" + module + ")";
    if (frame.location.frames.empty()) {
      append(out, "    #{:<2} 0x{:08x}{}\n", number++, frame.pc, suffix);
    }
    for (const auto& source : frame.location.frames) {
      const auto line = source_line(source, true);
      append(out, "    #{:<2} 0x{:08x} in {}{}{}{}{}\n", number++, frame.pc, called(source),
             line.empty() ? "" : " ", line, source.inlined ? " [inlined]" : "", suffix);
    }
  }
  if (frames.size() >= 64) out += "    (the stack goes on)\n";
}

void TextRenderer::outcome(const BoundException& exception, std::string& out) {
  const auto& event = exception.event;
  if (exception.answers.empty()) out += "    no callback was asked\n";
  for (const auto& answer : exception.answers) {
    append(out, "    {} -> {}{}\n", shared(answer.callback ? answer.callback : answer.driver),
           answer_name(answer.status), answer.edited ? " (edited the registers)" : "");
  }
  out += "    ";
  switch (exception.disposition) {
    case Disposition::Propagated:
      styled(out, Style::Yellow, "propagated");
      append(out, ": {}", fate_of(event.source));
      break;
    case Disposition::Terminated:
      styled(out, Style::Red, "terminated");
      out += ": the process ends at once";
      break;
    case Disposition::Handled: {
      styled(out, Style::Green, "handled");
      out += ": ";
      out += resumption(exception);
      break;
    }
  }
  out += '\n';
  if (!exception.reason.empty()) append(out, "    reason: {}\n", escaped(exception.reason));
  if (exception.rule) append(out, "    by the rule at {}\n", shared(exception.rule));
}

void TextRenderer::bug_check(const events::BugCheckRecord& record, std::string& out) {
  const char* const name = bug_check_name(record.code);
  styled(
      out, Style::Red,
      fmt::format("*** STOP: 0x{:08X} (0x{:016X}, 0x{:016X}, 0x{:016X}, 0x{:016X}){}{}",
                  record.code, record.parameters[0], record.parameters[1], record.parameters[2],
                  record.parameters[3], name == nullptr ? "" : " ", name == nullptr ? "" : name));
  out += '\n';
  if (!record.explanation.empty()) append(out, "***   {}\n", escaped(record.explanation));
  append(out, "***   driver {}, callback {}",
         record.driver.empty() ? "unknown" : escaped(record.driver),
         record.callback.empty() ? "none" : escaped(record.callback));
  if (record.tid != 0) append(out, ", on behalf of process {}, thread {}", record.pid, record.tid);
  out += '\n';
}

void TextRenderer::finish(const Totals& totals, int64_t, std::string& out) {
  if (totals.exceptions == 0 && totals.bug_checks == 0 && totals.verifier == 0 &&
      totals.suppressed == 0 && totals.limited == 0 && !options_.verbose) {
    return;
  }
  styled(out, Style::Bold,
         fmt::format(
             "kebound: summary: {} bound exception{}: {} handled, {} propagated, {} terminated",
             totals.exceptions, totals.exceptions == 1 ? "" : "s", totals.handled,
             totals.propagated, totals.terminated));
  if (totals.verifier != 0) append(out, "; {} from the verifier", totals.verifier);
  if (totals.missing != 0)
    append(out, "; {} event{} missing", totals.missing, totals.missing == 1 ? "" : "s");
  if (totals.suppressed != 0) append(out, "; {} suppressed by rules", totals.suppressed);
  if (totals.limited != 0) append(out, "; {} more not described, by rules", totals.limited);
  if (totals.bug_checks != 0) append(out, "; ended by a bug check");
  out += '\n';
  struct Line {
    uint64_t count;
    Disposition disposition;
    const Site* site;
  };
  std::vector<Line> lines;
  for (const auto& site : sites_.all()) {
    for (const auto end :
         {Disposition::Handled, Disposition::Propagated, Disposition::Terminated}) {
      if (site.of(end) != 0) lines.push_back({site.of(end), end, &site});
    }
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.count > b.count; });
  for (size_t i = 0; i < std::min(lines.size(), kMaxSummaryLines); ++i) {
    const Location& location = lines[i].site->location;
    auto place = where(location, lines[i].site->first.event.ip);
    if (!location.frames.empty() && location.offset) place += " (" + module_offset(location) + ")";
    append(out, "    {:>10} x {:<10} {}\n", lines[i].count,
           events::disposition_name(lines[i].disposition), place);
  }
  if (lines.size() > kMaxSummaryLines) {
    append(out, "    and {} more places\n", lines.size() - kMaxSummaryLines);
  }
  if (sites_.elsewhere() != 0) append(out, "    {:>10} x elsewhere\n", sites_.elsewhere());
  rules(totals, out);
}

void TextRenderer::rules(const Totals& totals, std::string& out) const {
  for (const RuleTally& rule : totals.rules) {
    if (rule.matched == 0 && !options_.verbose) continue;
    append(out, "    {:>10} x by {}: {}", rule.matched, escaped(rule.place), escaped(rule.text));
    if (rule.matched == 0) {
      out += " (never used)";
    } else if (rule.reported != rule.matched) {
      append(out, " ({} reported)", rule.reported);
    }
    out += '\n';
  }
}

}  // namespace kebound::report
