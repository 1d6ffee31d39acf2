// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "tools/kebound/words.h"
#include "trap/calls/call_source.h"

namespace kebound::tool {
namespace {

template <class Value>
using Choices = std::vector<std::pair<const char*, Value>>;

// An empty answer means that the value was taken; anything else says what is wrong with it.
using Taker = std::function<std::string(const std::string&)>;

template <class Value, class Target>
Taker one_of(Choices<Value> choices, Target& target) {
  return [choices = std::move(choices), &target](const std::string& text) -> std::string {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : choices) {
      if (text == name) {
        target = value;
        return {};
      }
      names.emplace_back(name);
    }
    return fmt::format("'{}' is not one of {}", text, fmt::join(names, ", "));
  };
}

template <class Number>
std::optional<Number> parse_number(const std::string& text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

template <class Number, class Target>
Taker number_in(Number low, Number high, Target& target) {
  return [low, high, &target](const std::string& text) -> std::string {
    const std::optional<Number> number = parse_number<Number>(text);
    if (!number || *number < low || *number > high) {
      return fmt::format("'{}' is not a number from {} to {}", text, low, high);
    }
    target = *number;
    return {};
  };
}

template <class Target>
Taker file_name(Target take) {
  return [take](const std::string& text) -> std::string {
    if (text.empty()) return "the file name is empty";
    take(text);
    return {};
  };
}

std::string take_pin(TraceOptions& options, const std::string& text) {
  using Pin = supervisor::Options::Pin;
  if (text == "follow" || text == "none") {
    options.pin = text == "follow" ? Pin::Follow : Pin::None;
    return {};
  }
  const std::optional<int> cpu = parse_number<int>(text);
  if (!cpu || *cpu < 0) {
    return fmt::format("'{}' is not one of follow, none or a processor number", text);
  }
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 &&
      (*cpu >= CPU_SETSIZE || !CPU_ISSET(static_cast<size_t>(*cpu), &allowed))) {
    return fmt::format("processor {} is not one that this process may run on", *cpu);
  }
  options.pin = Pin::Fixed;
  options.pin_cpu = *cpu;
  return {};
}

void add(CLI::App& app, const char* names, const char* value, const char* help, Taker take) {
  const std::string name = std::string(names).substr(std::string(names).rfind("--"));
  app.add_option_function<std::vector<std::string>>(
         names,
         [name, take = std::move(take)](const std::vector<std::string>& texts) {
           for (const std::string& text : texts) {
             if (const std::string error = take(text); !error.empty()) {
               throw CLI::ValidationError(name, error);
             }
           }
         },
         help)
      ->type_name(value)
      ->allow_extra_args(false);
}

// A value that is taken; `unneeded` is the one that asks nothing of the supervisor. The last one
// given counts.
Taker for_supervisor(const char* name, const char* unneeded, TraceOptions& options, Taker take) {
  return [name, unneeded, &options, take = std::move(take)](const std::string& text) {
    if (text == unneeded) {
      options.supervisor_only.erase(name);
    } else {
      options.supervisor_only.insert(name);
    }
    return take(text);
  };
}

void add_options(CLI::App& app, TraceOptions& options) {
  using driver::OnBound;
  using supervisor::Options;
  app.set_help_flag("-h,--help", "show this help");
  add(app, "--host", "WHERE", "supervisor (default), inproc (in the program) or auto",
      one_of(Choices<HostChoice>{{"supervisor", HostChoice::Supervisor},
                                 {"inproc", HostChoice::InProcess},
                                 {"auto", HostChoice::Auto}},
             options.host));
  add(app, "--driver", "FILE", "load a driver; repeatable, the last one is asked first",
      for_supervisor("--driver", "", options,
                     file_name([&](const std::string& file) { options.drivers.push_back(file); })));
  add(app, "--on-bound", "ACTION", "built-in answer: propagate, clamp, skip, terminate",
      one_of(Choices<OnBound>{{"propagate", OnBound::Propagate},
                              {"clamp", OnBound::Clamp},
                              {"skip", OnBound::Skip},
                              {"terminate", OnBound::Terminate}},
             options.on_bound));
  add(app, "--rules", "FILE", "what to do about which exceptions; repeatable",
      file_name([&](const std::string& file) { options.rules.push_back(file); }));
  add(app, "--gen-suppressions", "WHICH", "print a rule for each new place: all or no",
      one_of(Choices<bool>{{"all", true}, {"no", false}}, options.gen_suppressions));
  add(app, "--profile", "NAME", "default (chain of 64) or windows (one slot)",
      one_of(Choices<nt::Profile>{{"default", nt::Profile::Default},
                                  {"windows", nt::Profile::Windows}},
             options.profile));
  add(app, "--report", "FORMAT", "text (default), jsonl, sarif, html, journal, none",
      one_of(Choices<ReportFormat>{{"text", ReportFormat::Text},
                                   {"jsonl", ReportFormat::JsonLines},
                                   {"sarif", ReportFormat::Sarif},
                                   {"html", ReportFormat::Html},
                                   {"journal", ReportFormat::Journal},
                                   {"none", ReportFormat::None}},
             options.report));
  add(app, "-o,--output", "FILE", "report to FILE (- is stdout) instead of stderr",
      file_name([&](const std::string& file) { options.output = file; }));
  add(app, "--source-root", "DIR", "sarif, html: name files relative to DIR (.)",
      file_name([&](const std::string& file) { options.source_root = file; }));
  add(app, "--error-exitcode", "N", "exit with N if a bound exception occurred",
      number_in<int>(1, 255, options.error_exitcode));
  add(app, "--livelock-limit", "N", "same exception N times: terminate (10000; 0 never)",
      number_in<uint64_t>(0, UINT64_MAX, options.livelock_limit));
  add(app, "--calls", "SOURCES", "checks that call a function: all, none or names",
      [&](const std::string& text) -> std::string {
        calls::FamilySet families = 0;
        options.calls = text;
        if (calls::parse_families(text.c_str(), families)) return {};
        return fmt::format(
            "'{}' is not all, none, or some of ubsan, libstdc++, libc++, fortify, stack-protector "
            "with commas between",
            text);
      });
  add(app, "--callback-threads", "N", "run callbacks on N threads (0: the tracing thread)",
      for_supervisor("--callback-threads", "0", options,
                     number_in<unsigned>(0, 256, options.callback_threads)));
  add(app, "--pin", "WHERE", "keep to a processor: follow, none or its number",
      for_supervisor("--pin", "none", options,
                     [&](const std::string& text) { return take_pin(options, text); }));
  add(app, "--backtraces", "WHICH", "first (at each place, default), all or none",
      for_supervisor("--backtraces", "none", options,
                     one_of(Choices<Options::Backtraces>{{"first", Options::Backtraces::First},
                                                         {"all", Options::Backtraces::All},
                                                         {"none", Options::Backtraces::None}},
                            options.backtraces)));
  app.add_flag("--verbose", options.verbose, "report starts and exits of processes too")
      ->disable_flag_override();
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// Where the operands begin, found with the table of options alone. CLI11 would go on looking for
// options behind PROGRAM, which belong to the program.
struct Split {
  size_t options_end = 0;
  size_t operands_begin = 0;
  std::optional<Message> error;
};

Split split_at_operands(const CLI::App& app, const std::vector<std::string>& words) {
  const auto failed = [](const std::string& what, const char* why) {
    Split split;
    split.error = Message{what, why, ""};
    return split;
  };
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") return {i, i + 1, std::nullopt};
    if (word.size() < 2 || word[0] != '-') return {i, i, std::nullopt};
    if (word[1] == '-') {
      const size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      const CLI::Option* option = app.get_option_no_throw(name);
      if (option == nullptr) return failed(name, "unknown option");
      if (!takes_value(*option)) {
        if (equals != std::string::npos) return failed(name, "takes no value");
      } else if (equals == std::string::npos) {
        if (++i == words.size()) return failed(name, "a value is missing");
      } else if (equals + 1 == word.size()) {
        return failed(name, "the value is empty");
      }
      continue;
    }
    for (size_t letter = 1; letter < word.size(); ++letter) {
      const std::string name = {'-', word[letter]};
      const CLI::Option* option = app.get_option_no_throw(name);
      if (option == nullptr) return failed(name, "unknown option");
      if (!takes_value(*option)) continue;
      if (letter + 1 == word.size() && ++i == words.size())
        return failed(name, "a value is missing");
      break;
    }
  }
  return {words.size(), words.size(), std::nullopt};
}

std::string help_text(const CLI::App& app, const Syntax& syntax) {
  std::string text = fmt::format("Usage: kebound {} [OPTION]... {}\n{}\n\n", syntax.name,
                                 syntax.operands, syntax.summary);
  std::vector<const CLI::Option*> options = app.get_options();
  std::stable_partition(options.begin(), options.end(),
                        [&](const CLI::Option* option) { return option != app.get_help_ptr(); });
  for (const CLI::Option* option : options) {
    std::string names;
    for (const std::string& name : option->get_snames()) names += "-" + name + ", ";
    for (const std::string& name : option->get_lnames()) names += "--" + name;
    if (takes_value(*option)) names += " " + option->get_type_name();
    text += fmt::format("  {:<22} {}\n", names, option->get_description());
  }
  return text + "\n" + syntax.statuses;
}

// Runs CLI11 over words that are options only.
std::optional<std::variant<HelpText, Message>> parse_options(CLI::App& app, const Syntax& syntax,
                                                             std::vector<std::string> words) {
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
  try {
    app.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    return HelpText{help_text(app, syntax)};
  } catch (const CLI::ParseError& error) {
    const std::string text = error.what();
    const size_t colon = text.find(": ");
    if (colon == std::string::npos) return Message{"command line", text, ""};
    return Message{text.substr(0, colon), text.substr(colon + 2), ""};
  }
  return std::nullopt;
}

std::optional<Message> check_environment(const Syntax& syntax,
                                         const std::vector<std::string>& words) {
  TraceOptions scratch;
  CLI::App app;
  add_options(app, scratch);
  Split split = split_at_operands(app, words);
  if (split.error) return split.error;
  if (split.options_end != words.size()) {
    return Message{words[split.options_end], "only options may stand here", ""};
  }
  if (auto other = parse_options(app, syntax, words)) {
    if (auto* message = std::get_if<Message>(&*other)) return *message;
    return Message{"--help", "only options for a run may stand here", ""};
  }
  return std::nullopt;
}

std::optional<Message> check_combination(const TraceOptions& options) {
  if (options.host == HostChoice::InProcess && !options.supervisor_only.empty()) {
    return Message{*options.supervisor_only.begin(), "cannot be had with --host inproc",
                   "leave out one of the two"};
  }
  if (options.report == ReportFormat::Journal && options.output) {
    return Message{"--output", "the journal takes no file", "leave out one of the two"};
  }
  const bool has_builtin = options.on_bound || !options.rules.empty();
  if (options.profile == nt::Profile::Windows && !options.drivers.empty() && has_builtin) {
    const std::string what = options.on_bound ? "--on-bound" : "--rules";
    return Message{what,
                   "with --driver it needs a second callback, and the windows profile has one slot",
                   "leave out " + what + " or use --profile default"};
  }
  return std::nullopt;
}

}  // namespace

ParseResult parse_command_line(const Syntax& syntax, const std::vector<std::string>& words,
                               const char* environment) {
  const std::string see_help = fmt::format("see 'kebound {} --help'", syntax.name);
  const auto with_remedy = [](Message message, const std::string& remedy) {
    message.remedy = remedy;
    return message;
  };
  // The command line alone comes first: it may ask for help, and its errors are its own.
  TraceOptions scratch;
  CLI::App command_line;
  add_options(command_line, scratch);
  const Split split = split_at_operands(command_line, words);
  if (split.error) return with_remedy(*split.error, see_help);
  const auto begin = words.begin();
  std::vector<std::string> options(begin, begin + static_cast<ptrdiff_t>(split.options_end));
  if (auto other = parse_options(command_line, syntax, options)) {
    if (auto* help = std::get_if<HelpText>(&*other)) return *help;
    return with_remedy(std::get<Message>(*other), see_help);
  }
  if (environment != nullptr) {
    const std::string correct = "correct or unset KEBOUND_OPTIONS";
    const Words more = split_words(environment);
    if (more.error != nullptr) return Message{"KEBOUND_OPTIONS", more.error, correct};
    if (auto wrong = check_environment(syntax, more.words)) {
      wrong->what = "KEBOUND_OPTIONS: " + wrong->what;
      return with_remedy(*wrong, correct);
    }
    options.insert(options.begin(), more.words.begin(), more.words.end());
  }
  CommandLine result;
  CLI::App both;
  add_options(both, result.options);
  if (auto other = parse_options(both, syntax, std::move(options))) {
    return with_remedy(std::get<Message>(*other), see_help);
  }
  if (auto wrong = check_combination(result.options)) return *wrong;
  result.operands.assign(begin + static_cast<ptrdiff_t>(split.operands_begin), words.end());
  return result;
}

}  // namespace kebound::tool
