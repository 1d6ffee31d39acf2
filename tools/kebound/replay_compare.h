// SPDX-License-Identifier: Apache-2.0
//
// What a recorded exception came to, beside what it comes to now.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "events/record.h"
#include "hosts/replay/replay_host.h"
#include "report/location.h"

namespace kebound::tool {

class ReplayWriter {
 public:
  // Borrows `fd`. `verbose`: also what did not change.
  ReplayWriter(int fd, bool verbose) : fd_(fd), verbose_(verbose) {}

  // `line`: where in the recording it stands.
  void compare(const events::BoundException& recorded, const report::Location& location,
               uint64_t line, const replay::Replayed& now);
  // What drivers printed, and remarks of the verifier.
  void records(const std::vector<events::Record>& records);
  void bug_check(const nt::BugCheck& bug_check);
  // Every exception so far came to the same.
  [[nodiscard]] bool all_same() const { return differ_ == 0 && untold_ == 0; }
  // Writes the last line. False after a message: it could not be written.
  [[nodiscard]] bool finish();

 private:
  void write(const std::string& text);

  const int fd_;
  const bool verbose_;
  int error_ = 0;
  uint64_t presented_ = 0;
  uint64_t differ_ = 0;
  uint64_t untold_ = 0;
};

}  // namespace kebound::tool
