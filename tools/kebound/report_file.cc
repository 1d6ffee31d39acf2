// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/report_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fstream>

#include "report/journal.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/message.h"

namespace kebound::tool {

ReportFile::~ReportFile() {
  if (fd_ >= 0) close(fd_);
}

bool ReportFile::open(const std::optional<std::string>& output) {
  name_ = !output ? "standard error" : *output == "-" ? "standard output" : *output;
  fd_ = !output          ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
        : *output == "-" ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                         : ::open(output->c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ >= 0) return true;
  print_message({name_, "the report cannot be written there: " + error_text(errno),
                 "choose another file with --output"});
  return false;
}

bool ReportFile::wants_colour() const {
  const char* no_color = getenv("NO_COLOR");
  const char* terminal = getenv("TERM");
  return isatty(fd_) == 1 && (no_color == nullptr || *no_color == '\0') && terminal != nullptr &&
         strcmp(terminal, "dumb") != 0;
}

bool report_can_be_made(const TraceOptions& options) {
  if (options.report != ReportFormat::Journal) return true;
  std::string why;
  if (report::open_journal(why)) return true;
  print_message({"--report journal", why, "use another format"});
  return false;
}

std::string absolute_directory(const std::string& path) {
  char* const resolved = realpath(path.c_str(), nullptr);
  const std::string result = resolved != nullptr ? resolved : path;
  free(resolved);
  return result;
}

std::vector<std::string> own_command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  if (!words.empty()) words[0] = words[0].substr(words[0].rfind('/') + 1);
  return words;
}

report::Options make_report_options(const TraceOptions& options, const ReportFile& file) {
  report::Options report;
  switch (options.report) {
    case ReportFormat::Text:
      report.format = report::Format::Text;
      break;
    case ReportFormat::JsonLines:
      report.format = report::Format::Jsonl;
      break;
    case ReportFormat::Sarif:
      report.format = report::Format::Sarif;
      break;
    case ReportFormat::Html:
      report.format = report::Format::Html;
      break;
    case ReportFormat::Journal:
      report.format = report::Format::Journal;
      break;
    case ReportFormat::None:
      report.format = report::Format::None;
      break;
  }
  report.fd = file.fd();
  report.source_root = absolute_directory(options.source_root.value_or("."));
  report.command = own_command_line();
  report.colour = file.wants_colour();
  report.verbose = options.verbose;
  report.gen_suppressions = options.gen_suppressions;
  return report;
}

int report_failed_start(const std::string& what, const posix::Outcome& outcome,
                        const Explain& explain) {
  if (explain) {
    if (const std::optional<Explanation> better = explain()) {
      print_message({what, better->why, better->remedy});
      return better->not_found ? kStatusNotFound : kStatusCannotExecute;
    }
  }
  print_message({what, outcome.why, outcome.remedy});
  return outcome.not_found ? kStatusNotFound : kStatusCannotExecute;
}

}  // namespace kebound::tool
