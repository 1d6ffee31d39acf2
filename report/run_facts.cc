// SPDX-License-Identifier: Apache-2.0
#include "report/run_facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/names.h"
#include "report/renderer.h"

namespace kebound::report {
namespace {

constexpr size_t kMaxDrivers = 64;
constexpr size_t kMaxText = 4'096;

std::string bounded(const std::string& text) { return text.substr(0, kMaxText); }

Note note_of(const events::BugCheckRecord& record) {
  auto rule = fmt::format("0x{:x}", record.code);
  if (const char* const name = bug_check_name(record.code)) rule += std::string(" ") + name;
  return {record.time_ns,           true,
          std::move(rule),          bounded(record.driver),
          bounded(record.callback), bounded(record.explanation)};
}

Note note_of(const events::VerifierRecord& record) {
  return {record.time_ns,           false,
          bounded(record.rule),     bounded(record.driver),
          bounded(record.callback), bounded(record.message)};
}

}  // namespace

void RunFacts::add(const events::Record& record) {
  const int64_t time = std::visit([](const auto& it) { return it.time_ns; }, record);
  first_ns = first_ns == 0 ? time : std::min(first_ns, time);
  last_ns = std::max(last_ns, time);
  const auto keep_note = [&](Note&& note) {
    if (notes.size() < kMaxNotes) {
      notes.push_back(std::move(note));
    } else {
      ++notes_left_out;
    }
  };
  std::visit(Overloaded{
                 [&](const events::BoundException& it) {
                   timeline.add(it.time_ns, it.disposition);
                   if (program.empty() && it.program) program = *it.program;
                 },
                 [&](const events::DriverOutput& it) {
                   if (driver_lines.size() < kMaxDriverLines) {
                     driver_lines.push_back({it.time_ns, bounded(it.driver), bounded(it.text)});
                   } else {
                     ++driver_lines_left_out;
                   }
                 },
                 [&](const events::BugCheckRecord& it) { keep_note(note_of(it)); },
                 [&](const events::VerifierRecord& it) { keep_note(note_of(it)); },
                 [&](const events::DriverLoaded& it) {
                   if (drivers.size() < kMaxDrivers) drivers.push_back(bounded(it.driver));
                 },
                 [](const events::DriverUnloaded&) {},
                 [&](const events::ProcessStarted& it) {
                   // An exec is a start, too: the process is named by what it became first.
                   if (processes++ == 0) {
                     program = it.program;
                     is_64bit = it.is_64bit;
                     first_process_ = it.pid;
                   }
                 },
                 [&](const events::ProcessExited& it) {
                   if (it.pid == first_process_ && !end) end = it;
                 },
             },
             record);
}

}  // namespace kebound::report
