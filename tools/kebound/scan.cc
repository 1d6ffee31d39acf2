// SPDX-License-Identifier: Apache-2.0
//
// kebound scan: which bounds checks a program or library has. Nothing is executed.
#include "scan/scan.h"

#include <errno.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "scan/image.h"
#include "scan/names.h"
#include "tools/kebound/command.h"
#include "tools/kebound/exit_status.h"
#include "tools/kebound/message.h"
#include "tools/kebound/report_file.h"

namespace kebound::tool {
namespace {

constexpr const char* kSeeHelp = "see 'kebound scan --help'";

constexpr const char* kHelp =
    "Usage: kebound scan [OPTION]... FILE\n"
    "List the bounds checks of the program or shared library FILE, and its functions\n"
    "that index memory and have none. Nothing of FILE is executed.\n\n"
    "  --report FORMAT        text (default) or json\n"
    "  -o, --output FILE      report to FILE (- is stdout, the default)\n"
    "  --all                  text: list all functions without checks, not the first 20\n"
    "  --no-debug-info        do not read debug information: faster, without lines\n"
    "  -h, --help             show this help\n\n"
    "Exit status: 0 FILE was scanned, whatever was found; 125 usage error, or kebound\n"
    "or its report failed; 126 FILE is no x86 ELF program or library, or is damaged;\n"
    "127 no such file. Manual: man kebound\n";

struct ScanOptions {
  std::string report = "text";
  std::optional<std::string> output;
  bool all = false;
  bool no_debug_info = false;
  bool help = false;
  std::vector<std::string> files;
};

// The usage error, if there is one.
std::optional<Message> parse(const std::vector<std::string>& words, ScanOptions& options) {
  CLI::App app;
  app.set_help_flag();
  app.add_option("--report", options.report)->check([](const std::string& text) {
    return text == "text" || text == "json" ? std::string()
                                            : "'" + text + "' is not one of text, json";
  });
  app.add_option("-o,--output", options.output)->check([](const std::string& text) {
    return text.empty() ? std::string("the file name is empty") : std::string();
  });
  app.add_flag("--all", options.all)->disable_flag_override();
  app.add_flag("--no-debug-info", options.no_debug_info)->disable_flag_override();
  app.add_flag("-h,--help", options.help)->disable_flag_override();
  app.add_option("FILE", options.files);
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ExtrasError&) {
    const auto unknown = std::find_if(words.begin(), words.end(), [&](const std::string& word) {
      return word.size() > 1 && word[0] == '-' &&
             app.get_option_no_throw(word.substr(0, word.find('='))) == nullptr;
    });
    return Message{unknown != words.end() ? unknown->substr(0, unknown->find('=')) : "command line",
                   "unknown option", kSeeHelp};
  } catch (const CLI::ParseError& error) {
    const std::string text = error.what();
    const size_t colon = text.find(": ");
    if (colon == std::string::npos) return Message{"command line", text, kSeeHelp};
    return Message{text.substr(0, colon), text.substr(colon + 2), kSeeHelp};
  }
  if (options.help) return std::nullopt;
  if (options.files.size() != 1) {
    return Message{"FILE", options.files.empty() ? "none is given" : "more than one is given",
                   kSeeHelp};
  }
  return std::nullopt;
}

bool write_all(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = write(fd, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

int scan_main(const std::vector<std::string>& words) {
  ScanOptions options;
  if (const auto wrong = parse(words, options)) {
    print_message(*wrong);
    return kStatusFailure;
  }
  if (options.help) return print_help(kHelp);
  const std::string& file = options.files[0];

  scan::Refusal refusal;
  const auto image = scan::Image::open(file, refusal);
  if (!image) {
    print_message({file, refusal.why, refusal.remedy});
    return refusal.not_found ? kStatusNotFound : kStatusCannotExecute;
  }
  // Before the work: a place that cannot be written to is better known at once.
  ReportFile output;
  if (!output.open(options.output.value_or("-"))) return kStatusFailure;

  std::unique_ptr<scan::Names> names;
  if (!options.no_debug_info && image->has_debug_info()) {
    names = std::make_unique<scan::Names>(*image, file);
  }
  scan::Result result =
      scan::scan_image(*image, names.get(), options.all || options.report == "json");
  result.image.path = file;
  const std::string report =
      options.report == "json" ? scan::json_report(result) : scan::text_report(result, options.all);
  if (!write_all(output.fd(), report)) {
    print_message({output.name(), "the report cannot be written: " + error_text(errno),
                   "choose another file with --output"});
    return kStatusFailure;
  }
  return 0;
}

}  // namespace kebound::tool
