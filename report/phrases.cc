// SPDX-License-Identifier: Apache-2.0
#include "report/phrases.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

#include "report/escape.h"
#include "report/names.h"

namespace kebound::report {
namespace {

// What failed, where no numbers can say it.
const char* plainly(CheckKind check) {
  switch (check) {
    case CheckKind::Unknown:
    case CheckKind::ArrayBounds:
      return "an index outside its bounds";
    case CheckKind::ObjectSize:
      return "an access outside its object";
    case CheckKind::PointerOverflow:
      return "pointer arithmetic that overflows";
    case CheckKind::Assertion:
      return "a failed assertion";
    case CheckKind::BufferSize:
      return "more bytes than the buffer holds";
    case CheckKind::StackSmash:
      return "an overwritten stack";
  }
  return "a failed check";
}

const char* quantity(CheckKind check) { return check == CheckKind::BufferSize ? "size" : "index"; }

}  // namespace

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string called(const SourceFrame& frame) {
  if (frame.function.empty()) return "an unknown function";
  const bool has_parameters = frame.function.find('(') != std::string::npos;
  return escaped(frame.function) + (has_parameters ? "" : "()");
}

std::string source_line(const SourceFrame& frame, bool full_path) {
  if (frame.file.empty()) return {};
  std::string text = escaped(full_path ? std::string_view(frame.file) : base_name(frame.file));
  if (frame.line != 0) text += fmt::format(":{}", frame.line);
  return text;
}

std::string module_offset(const Location& location) {
  if (location.module.empty()) return {};
  auto text = escaped(base_name(location.module));
  if (location.offset) text += fmt::format("+0x{:x}", *location.offset);
  return text;
}

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

std::string violation(const BoundEvent& event) {
  if (event.confidence == Confidence::Unknown) return plainly(event.check);
  return fmt::format("{} {} outside [{}, {}]", quantity(event.check), event.index, event.lower,
                     event.upper);
}

const std::string& detail_of(const events::BoundException& exception, const Location& location) {
  return exception.detail.empty() ? location.trap_message : exception.detail;
}

std::string values(const Span& span) {
  if (span.low == span.high) return fmt::format("{}", span.low);
  return fmt::format("{} to {}", span.low, span.high);
}

std::string violation(const Site& site) {
  const CheckKind check = site.first.event.check;
  if (!site.index.known) return plainly(check);
  return fmt::format("{} {} outside [{}, {}]", quantity(check), values(site.index),
                     values(site.lower), values(site.upper));
}

std::string resumption(const events::BoundException& exception) {
  const auto& event = exception.event;
  const bool is_64bit = is_64bit_code(exception);
  RegisterValue before[kMaxRegisters];
  RegisterValue after[kMaxRegisters];
  const size_t count = list_registers(exception.before, is_64bit, before);
  list_registers(exception.after, is_64bit, after);
  const char* const index = index_register_name(event);
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    if (before[i].value == after[i].value || i == (is_64bit ? 16u : 8u)) continue;
    out += out.empty() ? "" : ", ";
    if (i == event.index_register && *index != '\0' && event.index_width >= 32) {
      out += fmt::format("{} {} -> {}", index, index_register_value(event, exception.before),
                         index_register_value(event, exception.after));
    } else {
      out += fmt::format("{} 0x{:x} -> 0x{:x}", before[i].name, before[i].value, after[i].value);
    }
  }
  const bool is_unchanged = out.empty();
  if (!is_unchanged) out += "; ";
  if (exception.after.rip == exception.before.rip) {
    out += fmt::format("runs the check again at 0x{:x}{}", exception.after.rip,
                       is_unchanged ? " with nothing changed" : "");
  } else if (exception.after.rip == exception.before.rip + event.instruction_length) {
    out += fmt::format("goes on behind the instruction at 0x{:x}", exception.after.rip);
  } else {
    out += fmt::format("goes on at 0x{:x}", exception.after.rip);
  }
  return out;
}

std::string outcome(const events::BoundException& exception) {
  switch (exception.disposition) {
    case events::Disposition::Handled:
      return "handled: " + resumption(exception);
    case events::Disposition::Propagated:
      return std::string("propagated: ") + fate_of(exception.event.source);
    case events::Disposition::Terminated:
      return "terminated: the process ends at once";
  }
  return {};
}

const char* fate_of(BoundSource source) {
  switch (source) {
    case BoundSource::X86Bound:
    case BoundSource::X86Mpx:
      return "SIGSEGV to the program";
    case BoundSource::ClangTrap:
    case BoundSource::CheckTrap:
    case BoundSource::LibcxxHardening:
      return "SIGILL to the program";
    case BoundSource::UbsanHandler:
    case BoundSource::LibstdcxxAssertion:
    case BoundSource::LibcxxAbort:
    case BoundSource::Fortify:
    case BoundSource::StackProtector:
      return "what the library does on its own";
  }
  return "as without kebound";
}

std::string shell_line(const std::vector<std::string>& words) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  std::string line;
  for (const auto& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char character : word) {
      if (character == '\'') {
        line += "'\\''";
      } else {
        line += character;
      }
    }
    line += '\'';
  }
  return escaped(line);
}

std::string utc_time(int64_t time_ns, unsigned fraction_digits) {
  constexpr int64_t kSecond = 1'000'000'000;
  time_t seconds = time_ns / kSecond;
  int64_t fraction = time_ns % kSecond;
  if (fraction < 0) {
    fraction += kSecond;
    --seconds;
  }
  struct tm parts = {};
  gmtime_r(&seconds, &parts);  // 64 bits of nanoseconds are the years 1677 to 2262
  auto text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  if (fraction_digits != 0) {
    text += '.' + fmt::format("{:09}", fraction).substr(0, std::min(fraction_digits, 9u));
  }
  return text + 'Z';
}

}  // namespace kebound::report
