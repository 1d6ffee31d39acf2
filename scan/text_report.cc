// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>

#include "report/escape.h"
#include "scan/scan.h"

namespace kebound::scan {
namespace {

using report::escaped;

std::string plural(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string base_name(const std::string& file) {
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? file : file.substr(slash + 1);
}

std::string place_text(const Place& place) {
  if (place.line == 0) return {};
  return fmt::format("{}:{}", escaped(base_name(place.file)), place.line);
}

std::string function_text(const FunctionResult& function) {
  return function.name.empty() ? fmt::format("{:#x}", function.begin) : escaped(function.name);
}

std::string compare_text(const Check& check) {
  if (check.index.empty()) return {};
  if (check.limit.empty()) return check.index;
  return fmt::format("{} {} {}", check.index, check.limit_passes ? "<=" : "<", check.limit);
}

std::string knowledge_text(const Check& check) {
  std::string text;
  switch (check.known) {
    case Known::Certain:
      text = "index known";
      break;
    case Known::Likely:
      text = "index likely";
      break;
    case Known::Arguments:
      text = "index and limit are passed";
      break;
    case Known::No:
      return check.why.empty() ? "index unknown" : "index unknown: " + check.why;
  }
  if (check.resumable) return text + ", resumable";
  return text + ", not resumable" + (check.why.empty() ? "" : ": " + check.why);
}

std::string subject_text(const Check& check) {
  const std::string compare = compare_text(check);
  std::string text;
  if (!check.callee.empty()) {
    text = escaped(check.callee.substr(0, check.callee.find('(')));
  } else if (!check.message.empty()) {
    text = "\"" + escaped(check.message) + "\"";
  }
  if (!text.empty() && !compare.empty()) text += ", ";
  text += compare;
  return text.empty() ? text : text + ": ";
}

class Text {
 public:
  Text(const Result& result, bool everything) : result_(result), everything_(everything) {}

  std::string run() {
    head();
    checks();
    totals();
    files();
    without_checks();
    return std::move(out_);
  }

 private:
  template <typename... Arguments>
  void print(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Arguments>(arguments)...);
  }

  void head() {
    const ImageResult& image = result_.image;
    print("{}: {}-bit, {}, {} of code, {}{}\n", escaped(image.path), image.bits64 ? 64 : 32,
          image.position_independent ? "position-independent" : "fixed address",
          size_text(image.code_bytes), plural(result_.functions.size(), "function"),
          image.has_symbols ? "" : ", stripped");
    if (!image.has_unwind_table) {
      print("  no unwind table: functions are known by symbols only\n");
    }
    if (!image.has_lines && !result_.checks.empty()) {
      print("  no debug information: no lines{}\n",
            image.has_symbols ? "" : ", and checks of a hardened libc++ are not told from others");
    }
    if (image.unique_traps) {
      print("  its traps are numbered (-ubsan-unique-traps): their kinds are not known\n");
    }
    if (image.unknown_bytes > 0) {
      print("  {} of its code are no instructions\n", plural(image.unknown_bytes, "byte"));
    }
  }

  static std::string size_text(uint64_t bytes) {
    if (bytes < 1024) return plural(bytes, "byte");
    if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024 * 1024));
  }

  void checks() {
    std::map<size_t, std::vector<const Check*>> by_function;
    for (const Check& check : result_.checks) by_function[check.function].push_back(&check);
    for (const auto& [index, list] : by_function) {
      const FunctionResult& function = result_.functions[index];
      const std::string place = place_text(function.place);
      print("\n{}{}: {}\n", function_text(function), place.empty() ? "" : " (" + place + ")",
            plural(list.size(), "check"));
      for (const Check* check : list) {
        const std::string line = place_text(check->place);
        print("  {:<20} {:<30} {}{}\n", line.empty() ? fmt::format("{:#x}", check->address) : line,
              fmt::format("{} ({})", check_kind_name(check->kind), source_name(check->source)),
              subject_text(*check), knowledge_text(*check));
      }
    }
  }

  void totals() {
    std::map<std::string, size_t> kinds;
    std::map<Known, size_t> known;
    std::map<size_t, bool> functions;
    size_t resumable = 0;
    for (const Check& check : result_.checks) {
      ++kinds[fmt::format("{} ({})", check_kind_name(check.kind), source_name(check.source))];
      ++known[check.known];
      functions[check.function] = true;
      resumable += check.resumable;
    }
    print("\n{} in {}", plural(result_.checks.size(), "bounds check"),
          plural(functions.size(), "function"));
    std::string_view separator = ": ";
    for (const auto& [name, count] : kinds) {
      print("{}{} {}", separator, count, name);
      separator = ", ";
    }
    print("\n");
    if (!result_.checks.empty()) {
      print(
          "index and limit known when one fails: {} certain, {} likely, {} passed, {} unknown; {} "
          "resumable\n",
          known[Known::Certain], known[Known::Likely], known[Known::Arguments], known[Known::No],
          resumable);
    }
    if (result_.other_traps > 0) {
      print("{} that no bounds check was seen to lead to\n",
            plural(result_.other_traps, "other trap"));
    }
  }

  void files() {
    std::map<std::string, size_t> files;
    for (const Check& check : result_.checks) {
      if (check.place.line != 0) ++files[check.place.file];
    }
    if (files.empty()) return;
    print("\nChecks by file:\n");
    for (const auto& [file, count] : files) print("  {:>6}  {}\n", count, escaped(file));
  }

  void without_checks() {
    const std::vector<size_t> indexes = unguarded_functions(result_);
    if (indexes.empty()) return;
    print("\n{} memory and {} no check:\n",
          plural(indexes.size(), "function") + (indexes.size() == 1 ? " indexes" : " index"),
          indexes.size() == 1 ? "has" : "have");
    size_t shown = 0;
    for (const size_t index : indexes) {
      if (!everything_ && shown == kFewFunctions) {
        print("  ... and {} more; --all lists them\n", indexes.size() - shown);
        return;
      }
      ++shown;
      const FunctionResult& function = result_.functions[index];
      const std::string place = place_text(function.place);
      print("  {}{}: {}\n", function_text(function), place.empty() ? "" : " (" + place + ")",
            fmt::format("{} access{}", function.accesses, function.accesses == 1 ? "" : "es"));
    }
  }

  const Result& result_;
  bool everything_;
  std::string out_;
};

}  // namespace

std::string text_report(const Result& result, bool everything) {
  return Text(result, everything).run();
}

}  // namespace kebound::scan
