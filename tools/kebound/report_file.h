// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hosts/posix/launch.h"
#include "report/reporter.h"
#include "tools/kebound/options.h"
#include "tools/kebound/program_check.h"

namespace kebound::tool {

// Where the report goes. Never inherited by the target.
class ReportFile {
 public:
  ReportFile() = default;
  ReportFile(const ReportFile&) = delete;
  ReportFile& operator=(const ReportFile&) = delete;
  ~ReportFile();
  // `output`: the value of --output. False after a message.
  [[nodiscard]] bool open(const std::optional<std::string>& output);
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  // Colour is for terminals, and only where nobody objects (no-color.org).
  [[nodiscard]] bool wants_colour() const;

 private:
  int fd_ = -1;
  std::string name_;
};

// False after a message: what the format needs is not there.
[[nodiscard]] bool report_can_be_made(const TraceOptions& options);

// Without symbolic links; `path` itself if there is no such directory.
[[nodiscard]] std::string absolute_directory(const std::string& path);
// The words of this process' command line, its first one without folders.
[[nodiscard]] std::vector<std::string> own_command_line();

[[nodiscard]] report::Options make_report_options(const TraceOptions& options,
                                                  const ReportFile& file);

// A better reason than the kernel's errno for a start that failed, if there is one. May be null.
using Explain = std::function<std::optional<Explanation>()>;

// Says why the target, `what`, could not be started. Returns the exit status.
[[nodiscard]] int report_failed_start(const std::string& what, const posix::Outcome& outcome,
                                      const Explain& explain);

}  // namespace kebound::tool
