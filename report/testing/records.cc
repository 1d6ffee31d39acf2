// SPDX-License-Identifier: Apache-2.0
#include "report/testing/records.h"

#include <string.h>

#include <utility>

namespace kebound::report::testing {
namespace {

constexpr uint8_t kBoundCode[] = {0x62, 0x05, 0x00, 0xa0, 0x04, 0x08};  // bound 0x804a000, %eax

}  // namespace

std::string nasty_text() {
  std::string text =
      "\"\\\n\r\t</script>\x1b[31m \xff\xfe \xc3\xa9 \xed\xa0\x80 \xf0\x9f\x98\x80 \xee\xbe\x80 "
      "\xe2\x80\xae";
  for (int byte = 1; byte < 256; ++byte) text += static_cast<char>(byte);
  return text + "\xf0\x9f";
}

events::BoundException sample_exception() {
  events::BoundException exception;
  exception.time_ns = 1'795'000'000'123'456'789;
  exception.pid = 1000;
  exception.tid = 1001;
  exception.program = name("/usr/bin/guest");
  exception.thread_name = name("worker");
  exception.event = {.source = BoundSource::X86Bound,
                     .confidence = Confidence::Certain,
                     .instruction_length = sizeof kBoundCode,
                     .index_register = x86::Rax,
                     .index_width = 32,
                     .ip = 0x80491d6,
                     .index = 12,
                     .lower = 0,
                     .upper = 9,
                     .bounds_address = 0x804a000,
                     .trap_ip = 0x80491d6,
                     .index_raw = 12};
  exception.before.gpr[x86::Rax] = 12;
  exception.before.gpr[x86::Rsp] = 0xffffd000;
  exception.before.rip = exception.event.ip;
  exception.before.cs = 0x23;
  exception.after = exception.before;
  exception.after.gpr[x86::Rax] = 9;
  memcpy(exception.code, kBoundCode, sizeof kBoundCode);
  exception.code_size = sizeof kBoundCode;
  exception.answers.push_back({name("repair.so"), name("repair!on_bound"), 1, true});
  exception.disposition = events::Disposition::Handled;
  return exception;
}

events::BoundException exception_of(const Capture& capture) {
  auto exception = sample_exception();
  exception.before = exception.after = capture.registers;
  exception.event.ip = capture.registers.rip;
  exception.disposition = events::Disposition::Propagated;
  exception.answers[0].status = 0;
  exception.answers[0].edited = false;
  exception.modules = capture.modules;
  exception.stack = std::make_shared<events::StackSnapshot>(capture.stack);
  return exception;
}

std::vector<events::Record> one_of_each() {
  std::vector<events::Record> records;
  for (const auto& text : {std::string("repair"), nasty_text(), std::string()}) {
    auto exception = sample_exception();
    exception.program = name(text);
    exception.thread_name = name(text);
    exception.reason = text;
    exception.detail = text;
    if (!text.empty()) exception.rule = name(text);
    exception.answers.push_back({name(text), name(text), 3, false});
    exception.answers.push_back({nullptr, nullptr, 0xdeadbeef, false});
    exception.event.index = INT64_MIN;
    exception.event.upper = INT64_MAX;
    records.emplace_back(exception);
    exception.event.source = kLastSource;
    exception.event.check = kLastCheckKind;
    exception.event.doubt = kLastDoubt;
    exception.event.confidence = Confidence::Unknown;
    exception.event.index_width = text.empty() ? 0 : 64;
    exception.event.index_register = x86::R13;
    exception.event.index_address = text.empty() ? 0x1000 : 0;
    exception.event.instruction_length = 0;
    exception.event.trap_ip = 0;
    exception.event.resumable = false;
    exception.before.cs = 0x33;
    records.emplace_back(exception);
    records.emplace_back(events::DriverOutput{1, 10, 11, text, 77, 3, text});
    records.emplace_back(events::DriverOutput{1, 0, 0, text, UINT32_MAX, UINT32_MAX, text});
    records.emplace_back(events::VerifierRecord{2, 10, 11, text, text, text, text});
    records.emplace_back(events::DriverLoaded{3, text, text});
    records.emplace_back(events::DriverUnloaded{4, text});
    records.emplace_back(events::ProcessStarted{5, 10, 1, text, text.empty()});
    records.emplace_back(events::ProcessExited{6, 10, false, 255});
    records.emplace_back(events::ProcessExited{7, 10, true, 11});
    records.emplace_back(
        events::BugCheckRecord{8, 10, 11, 0x7f, {5, 0, ~uint64_t{0}, 1}, text, text, text});
    records.emplace_back(events::BugCheckRecord{9, 0, 0, 0x12345678, {}, text, text, text});
  }
  return records;
}

}  // namespace kebound::report::testing
