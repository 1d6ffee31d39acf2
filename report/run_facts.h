// SPDX-License-Identifier: Apache-2.0
//
// What a report that is written at the end says of the whole run, beside its sites.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "events/record.h"
#include "report/timeline.h"

namespace kebound::report {

struct Note {
  int64_t time_ns = 0;
  bool is_bug_check = false;
  std::string rule;  // "edit-without-handled", "0x7f UNEXPECTED_KERNEL_MODE_TRAP"
  std::string driver;
  std::string callback;
  std::string message;
};

struct DriverLine {
  int64_t time_ns = 0;
  std::string driver;
  std::string text;
};

// Collects what records say; bounded.
class RunFacts {
 public:
  static constexpr size_t kMaxNotes = 1'000;
  static constexpr size_t kMaxDriverLines = 1'000;

  void add(const events::Record& record);

  std::string program;  // the first one; empty if no record said
  bool is_64bit = false;
  int64_t first_ns = 0;  // of all records
  int64_t last_ns = 0;
  uint64_t processes = 0;
  // How the first process ended, if it did.
  std::optional<events::ProcessExited> end;
  std::vector<std::string> drivers;  // that were loaded
  std::vector<Note> notes;
  std::vector<DriverLine> driver_lines;
  uint64_t notes_left_out = 0;
  uint64_t driver_lines_left_out = 0;
  Timeline timeline;

 private:
  int32_t first_process_ = 0;
};

}  // namespace kebound::report
