// SPDX-License-Identifier: Apache-2.0
#include "rules/parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "rules/glob.h"
#include "rules/scanner.h"
#include "trap/bound_event.h"

namespace kebound::rules {
namespace {

struct ActionName {
  std::string_view name;
  Action action;
};
// "ignore" is propagate with nothing said about it.
constexpr ActionName kActions[] = {{"propagate", Action::Propagate},
                                   {"clamp", Action::Clamp},
                                   {"skip", Action::Skip},
                                   {"terminate", Action::Terminate},
                                   {"ignore", Action::Propagate}};
constexpr const char* kActionNames = "propagate, clamp, skip, terminate or ignore";
constexpr const char* kLimitNames = "once, first=N, sample=N, quiet, fatal-after=N";
constexpr const char* kConditionNames =
    "source, check, module, build-id, offset, function, file, line, caller";

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

// The names that an enumeration's values have in reports.
template <class Enumeration>
std::vector<std::string> names_of(const char* (*name)(Enumeration)) {
  std::vector<std::string> names;
  for (unsigned value = 0; value < 64; ++value) {
    const std::string text = name(static_cast<Enumeration>(value));
    if (text != "unknown") names.push_back(text);
  }
  return names;
}

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    text += i == 0 ? "" : (i + 1 == names.size() ? " or " : ", ");
    text += names[i];
  }
  return text;
}

template <class Number>
std::optional<Number> number(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<uint64_t> address(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  return number<uint64_t>(text.substr(2), 16);
}

std::optional<uint64_t> line_number(std::string_view text) {
  const auto value = number<uint32_t>(text, 10);
  if (!value || *value == 0) return std::nullopt;
  return *value;
}

// "A" or "A-B".
template <class Parse>
std::optional<Range> range(std::string_view text, Parse&& parse) {
  const size_t dash = text.find('-');
  const auto first = parse(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return Range{*first, *last};
}

class LineParser {
 public:
  explicit LineParser(std::string_view line) : scanner_(line) {}

  // A rule, a problem, or neither for a line without words.
  std::optional<Rule> parse() {
    const auto action = scanner_.next();
    if (!action || !take_action(*action)) return std::nullopt;
    while (const auto word = scanner_.next()) {
      if (!take_word(*word)) return std::nullopt;
    }
    if (scanner_.problem() || !check_limits()) return std::nullopt;
    return std::move(rule_);
  }

  [[nodiscard]] const std::optional<Problem>& problem() const noexcept {
    return problem_ ? problem_ : scanner_.problem();
  }
  [[nodiscard]] size_t end_of_words() const noexcept { return scanner_.end_of_words(); }

 private:
  bool fail(size_t column, std::string_view what, std::string why, std::string remedy) {
    problem_ = Problem{0, static_cast<uint32_t>(column), in_quotes(what), std::move(why),
                       std::move(remedy)};
    return false;
  }

  bool take_action(const Word& word) {
    const auto* known = std::find_if(std::begin(kActions), std::end(kActions),
                                     [&](const auto& entry) { return entry.name == word.name; });
    if (known == std::end(kActions) || word.value) {
      return fail(word.column, word.name, "is no action",
                  std::string("begin the line with ") + kActionNames);
    }
    action_ = word;
    rule_.limits.action = known->action;
    if (known->name == "ignore") set_reporting(word, Reporting::Nothing, 0);
    return true;
  }

  void set_reporting(const Word& word, Reporting reporting, uint64_t count) {
    rule_.limits.reporting = reporting;
    rule_.limits.report_count = count;
    reporting_ = word;
  }

  bool take_reporting(const Word& word, Reporting reporting) {
    uint64_t count = reporting == Reporting::First ? 1 : 0;  // once
    if (word.value) {
      const auto given = number<uint64_t>(*word.value, 10);
      if (!given || *given == 0) return bad_count(word);
      count = *given;
    }
    if (reporting_) {
      return fail(word.column, word.name, "cannot be had with " + in_quotes(reporting_->name),
                  "leave out one of the two");
    }
    set_reporting(word, reporting, count);
    return true;
  }

  bool bad_count(const Word& word) {
    return fail(word.value ? word.value_column : word.column, word.value.value_or(""),
                "is not a number from 1 up", "write " + std::string(word.name) + "=N");
  }

  bool take_word(const Word& word) {
    const bool is_flag = word.name == "once" || word.name == "quiet";
    const bool is_count =
        word.name == "first" || word.name == "sample" || word.name == "fatal-after";
    if (is_flag && word.value) {
      return fail(word.value_column, word.name, "takes no value", "leave out the value");
    }
    if (is_count && !word.value) {
      return fail(word.column, word.name, "lacks a number",
                  "write " + std::string(word.name) + "=N");
    }
    if (word.name == "once" || word.name == "first") return take_reporting(word, Reporting::First);
    if (word.name == "sample") return take_reporting(word, Reporting::Sample);
    if (word.name == "quiet") return take_reporting(word, Reporting::Nothing);
    if (word.name == "fatal-after") return take_fatal(word);
    return take_condition(word);
  }

  bool take_fatal(const Word& word) {
    const auto count = number<uint64_t>(*word.value, 10);
    if (!count || *count == 0 || *count == kNeverFatal) return bad_count(word);
    if (fatal_) return given_twice(word);
    fatal_ = word;
    rule_.limits.fatal_after = *count;
    return true;
  }

  bool check_limits() {
    if (rule_.limits.action != Action::Terminate) return true;
    if (fatal_) {
      return fail(fatal_->column, fatal_->name, "is pointless: terminate is fatal at once",
                  "leave it out, or choose another action");
    }
    if (reporting_) {
      return fail(reporting_->column, reporting_->name,
                  "cannot be had with terminate: no process ends without a word", "leave it out");
    }
    return true;
  }

  bool given_twice(const Word& word) {
    return fail(word.column, word.name, "is given twice",
                "leave out one, or write a rule for each");
  }

  bool take_condition(const Word& word) {
    std::string* const pattern = pattern_named(word.name);
    if (pattern == nullptr && word.name != "line" && word.name != "offset" &&
        word.name != "build-id") {
      return fail(word.column, word.name, "is neither a limit nor a condition",
                  std::string("use ") + kLimitNames + "; " + kConditionNames);
    }
    if (!word.value || word.value->empty()) {
      return fail(word.column, word.name, "lacks a value",
                  "write " + std::string(word.name) + "=VALUE, or leave it out");
    }
    if (word.name == "line") return take_range(word, rule_.conditions.line);
    if (word.name == "offset") return take_range(word, rule_.conditions.offset);
    if (word.name == "build-id") return take_build_id(word);
    if (!pattern->empty()) return given_twice(word);
    if (!is_valid_glob(*word.value)) {
      return fail(word.value_column, *word.value, "ends in a backslash",
                  "write '\\\\' for a backslash");
    }
    *pattern = *word.value;
    return check_name(word);
  }

  std::string* pattern_named(std::string_view name) {
    Conditions& it = rule_.conditions;
    if (name == "source") return &it.source;
    if (name == "check") return &it.check;
    if (name == "module") return &it.module;
    if (name == "function") return &it.function;
    if (name == "file") return &it.file;
    if (name == "caller") return &it.caller;
    return nullptr;
  }

  // A source that does not exist is a misspelt one.
  bool check_name(const Word& word) {
    std::vector<std::string> names;
    if (word.name == "source") names = names_of(source_name);
    if (word.name == "check") names = names_of(check_kind_name);
    if (names.empty() || std::any_of(names.begin(), names.end(), [&](const auto& name) {
          return glob_match(*word.value, name);
        })) {
      return true;
    }
    return fail(word.value_column, *word.value, "is no " + std::string(word.name),
                "use " + list(names));
  }

  bool take_range(const Word& word, std::optional<Range>& target) {
    if (target) return given_twice(word);
    const bool is_line = word.name == "line";
    target = is_line ? range(*word.value, line_number) : range(*word.value, address);
    if (target) return true;
    return fail(word.value_column, *word.value,
                is_line ? "is no line number or range of them" : "is no offset or range of them",
                is_line ? "write line=N or line=N-M" : "write offset=0xN or offset=0xN-0xM");
  }

  bool take_build_id(const Word& word) {
    std::string& target = rule_.conditions.build_id;
    if (!target.empty()) return given_twice(word);
    const std::string& text = *word.value;
    const bool is_hex = text.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!is_hex || text.size() < 8) {
      return fail(word.value_column, text, "is no build ID",
                  "write at least 8 of its lower-case hexadecimal digits ('file MODULE' shows it)");
    }
    target = text;
    return true;
  }

  Scanner scanner_;
  std::optional<Problem> problem_;
  std::optional<Word> action_;
  std::optional<Word> reporting_;
  std::optional<Word> fatal_;
  Rule rule_;
};

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  return begin == text.npos ? std::string_view() : text.substr(begin);
}

}  // namespace

ParsedRules parse_rules(std::string_view text, const std::string& file) {
  ParsedRules result;
  const auto complain = [&](Problem problem, uint32_t line) {
    problem.line = line;
    result.problems.push_back(std::move(problem));
    return result.problems.size() < ParsedRules::kMaxProblems;
  };
  if (text.size() > kMaxFileSize) {
    complain({0, 1, "", "the file has more than 1 MiB", "split it, or use patterns"}, 1);
    return result;
  }
  for (uint32_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > kMaxLineLength) {
      if (!complain({0, kMaxLineLength + 1, "", "the line has more than 4096 bytes", "shorten it"},
                    number)) {
        break;
      }
      continue;
    }
    LineParser parser(line);
    auto rule = parser.parse();
    if (parser.problem()) {
      if (!complain(*parser.problem(), number)) break;
      continue;
    }
    if (!rule) continue;
    if (result.rules.size() == kMaxRules) {
      complain({0, 1, "", "is one rule more than 10000", "use patterns"}, number);
      break;
    }
    rule->file = file;
    rule->line = number;
    rule->text = trimmed(line.substr(0, parser.end_of_words()));
    result.rules.push_back(std::move(*rule));
  }
  return result;
}

std::string quoted_pattern(std::string_view name, std::string_view tail) {
  std::string text;
  bool needs_quotes = name.empty() || name.front() == '"';
  for (const char c : name) {
    if (c == '*' || c == '?' || c == '\\') text += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      text += '?';  // no rules file has these
      continue;
    }
    if (c == '"') text += '\\';
    if (c == ' ' || c == '"') needs_quotes = true;
    text += c;
  }
  text += tail;
  return needs_quotes ? '"' + text + '"' : text;
}

}  // namespace kebound::rules
