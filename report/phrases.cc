// SPDX-License-Identifier: Apache-2.0
#include "report/phrases.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

#include "report/escape.h"

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
  auto text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900,
                          parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                          parts.tm_sec);
  if (fraction_digits != 0) {
    text += '.' + fmt::format("{:09}", fraction).substr(0, std::min(fraction_digits, 9u));
  }
  return text + 'Z';
}

}  // namespace kebound::report
