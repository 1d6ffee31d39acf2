// SPDX-License-Identifier: Apache-2.0
#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "report/disassembler.h"
#include "report/escape.h"
#include "report/names.h"
#include "report/suppression.h"

namespace kebound::report {
namespace {

using events::BoundException;
using events::Disposition;

// What a run may print in full; beyond it places are only counted, beyond the second limit in one
// line.
constexpr uint64_t kMaxBlocks = 10'000;
constexpr size_t kMaxTallies = 100'000;
constexpr size_t kMaxReasonsPrinted = 1'000;
constexpr size_t kMaxSummaryLines = 50;

template <typename... Arguments>
void append(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
}

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string shared(const events::SharedName& name) { return name ? escaped(*name) : std::string(); }

// "pick()", "lib::pick(int)"
std::string called(const SourceFrame& frame) {
  if (frame.function.empty()) return "an unknown function";
  const bool has_parameters = frame.function.find('(') != std::string::npos;
  return escaped(frame.function) + (has_parameters ? "" : "()");
}

std::string source_line(const SourceFrame& frame, bool full_path) {
  if (frame.file.empty()) return {};
  std::string text = escaped(full_path ? std::string_view(frame.file) : base_name(frame.file));
  if (frame.line != 0) append(text, ":{}", frame.line);
  return text;
}

// "guest+0x11d6"; "" for code that belongs to no file.
std::string module_offset(const Location& location) {
  if (location.module.empty()) return {};
  auto text = escaped(base_name(location.module));
  if (location.offset) append(text, "+0x{:x}", *location.offset);
  return text;
}

// "in pick() at guest.c:14", or what else is known.
std::string where(const Location& location, uint64_t ip) {
  if (!location.frames.empty()) {
    auto text = "in " + called(location.frames[0]);
    if (auto line = source_line(location.frames[0], false); !line.empty()) text += " at " + line;
    return text;
  }
  if (location.offset) return "at " + module_offset(location);
  auto text = fmt::format("at 0x{:x}", ip);
  if (!location.module.empty()) text += " in " + module_offset(location);
  return text;
}

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

// "index 12 outside [0, 9]"; what is not known is not said.
std::string violation(const BoundEvent& event) {
  if (event.confidence == Confidence::Unknown) return "an index outside its bounds";
  return fmt::format("index {} outside [{}, {}]", event.index, event.lower, event.upper);
}

// What the processor's exception becomes on Linux.
const char* signal_of(BoundSource source) {
  return source == BoundSource::X86Bound ? "SIGSEGV" : "SIGILL";
}

}  // namespace

TextRenderer::TextRenderer(const TextOptions& options, Resolver& resolver)
    : options_(options), resolver_(resolver), places_(resolver) {}

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
  const Place& place = places_.find(exception);
  const auto key = std::pair(place.number, exception.disposition);
  auto found = tallies_.find(key);
  bool is_new = false;
  if (found == tallies_.end() && tallies_.size() < kMaxTallies) {
    auto text = where(place.location, exception.event.ip);
    if (!place.location.frames.empty() && place.location.offset) {
      text += " (" + module_offset(place.location) + ")";
    }
    found = tallies_.emplace(key, Tally{0, std::move(text)}).first;
    is_new = true;
  }
  if (found != tallies_.end()) ++found->second.count;
  if (!exception.reason.empty() && reasons_.size() < kMaxReasonsPrinted) {
    is_new |= reasons_.emplace(place.number, exception.disposition, exception.reason).second;
  }
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
  if (event.confidence != Confidence::Certain) {
    append(out, "    index and bounds are {}\n",
           event.confidence == Confidence::Likely ? "likely, not certain" : "not known");
  }
  backtrace(exception, place, out);
  outcome(exception, out);
  if (options_.gen_suppressions) suppress(exception, place, out);
}

// Without an indent, to be copied as they are; two places that one rule is about get one.
void TextRenderer::suppress(const BoundException& exception, const Place& place,
                            std::string& out) {
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

void TextRenderer::backtrace(const BoundException& exception, const Place& place,
                             std::string& out) {
  std::vector<StackFrame> frames;
  if (exception.stack && exception.modules) {
    frames = resolver_.backtrace(exception.before, *exception.stack, *exception.modules);
  }
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
      append(out, ": {} to the program", signal_of(event.source));
      break;
    case Disposition::Terminated:
      styled(out, Style::Red, "terminated");
      out += ": the process ends at once";
      break;
    case Disposition::Handled: {
      styled(out, Style::Green, "handled");
      out += ": ";
      const bool is_64bit = is_64bit_code(exception);
      RegisterValue before[kMaxRegisters];
      RegisterValue after[kMaxRegisters];
      const size_t count = list_registers(exception.before, is_64bit, before);
      list_registers(exception.after, is_64bit, after);
      const char* const index = index_register_name(event);
      size_t changes = 0;
      for (size_t i = 0; i < count; ++i) {
        if (before[i].value == after[i].value || i == (is_64bit ? 16u : 8u)) continue;
        out += changes++ == 0 ? "" : ", ";
        if (i == event.index_register && *index != '\0' && event.index_width != 16) {
          append(out, "{} {} -> {}", index, index_register_value(event, exception.before),
                 index_register_value(event, exception.after));
        } else {
          append(out, "{} 0x{:x} -> 0x{:x}", before[i].name, before[i].value, after[i].value);
        }
      }
      if (changes != 0) out += "; ";
      if (exception.after.rip == exception.before.rip) {
        append(out, "runs the check again at 0x{:x}{}", exception.after.rip,
               changes == 0 ? " with nothing changed" : "");
      } else if (exception.after.rip == exception.before.rip + event.instruction_length) {
        append(out, "goes on behind the instruction at 0x{:x}", exception.after.rip);
      } else {
        append(out, "goes on at 0x{:x}", exception.after.rip);
      }
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
  std::vector<std::pair<Disposition, const Tally*>> lines;
  uint64_t counted = 0;
  for (const auto& [key, tally] : tallies_) {
    lines.emplace_back(key.second, &tally);
    counted += tally.count;
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.second->count > b.second->count; });
  for (size_t i = 0; i < std::min(lines.size(), kMaxSummaryLines); ++i) {
    append(out, "    {:>10} x {:<10} {}\n", lines[i].second->count,
           events::disposition_name(lines[i].first), lines[i].second->where);
  }
  if (lines.size() > kMaxSummaryLines) {
    append(out, "    and {} more places\n", lines.size() - kMaxSummaryLines);
  }
  if (counted < totals.exceptions) {
    append(out, "    {:>10} x elsewhere\n", totals.exceptions - counted);
  }
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
