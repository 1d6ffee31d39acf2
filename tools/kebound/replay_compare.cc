// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/replay_compare.h"

#include <fmt/format.h>

#include "report/escape.h"
#include "report/names.h"
#include "report/output.h"
#include "report/phrases.h"
#include "tools/kebound/message.h"

namespace kebound::tool {
namespace {

using events::BoundException;
using events::Disposition;

std::string answers_in_words(const std::vector<events::Answer>& answers) {
  if (answers.empty()) return "no callback was asked";
  std::string text;
  for (const auto& answer : answers) {
    const auto& who = answer.callback ? answer.callback : answer.driver;
    text += fmt::format("{}{} -> {}{}", text.empty() ? "" : ", ",
                        who ? report::escaped(*who) : "unknown", report::answer_name(answer.status),
                        answer.edited ? " (edited)" : "");
  }
  return text;
}

uint32_t last_answer(const std::vector<events::Answer>& answers) {
  return answers.empty() ? 0 : answers.back().status;
}

std::string differences(const BoundException& then, const BoundException& now) {
  std::string text;
  const auto add = [&text](const char* what) {
    text += std::string(text.empty() ? "" : ", ") + what;
  };
  if (last_answer(then.answers) != last_answer(now.answers)) add("answer");
  if (then.disposition != now.disposition) add("disposition");
  if (!(then.after == now.after)) add("registers");
  return text;
}

std::string outcome_in_words(const BoundException& exception) {
  auto text = report::outcome(exception);
  if (!exception.reason.empty()) text += " (" + report::escaped(exception.reason) + ")";
  return text;
}

}  // namespace

void ReplayWriter::write(const std::string& text) {
  if (error_ == 0) error_ = report::write_all(fd_, text);
}

void ReplayWriter::compare(const BoundException& recorded, const report::Location& location,
                           uint64_t line, const replay::Replayed& now) {
  ++presented_;
  const auto head =
      fmt::format("kebound: replay: line {}: {} {}\n", line, report::violation(recorded.event),
                  report::where(location, recorded.event.ip));
  const auto was = fmt::format("    was {}; {}\n", answers_in_words(recorded.answers),
                               outcome_in_words(recorded));
  if (now.kind != replay::Replayed::Kind::Answered) {
    ++untold_;
    write(head + was + fmt::format("    now not to be told: {}\n", report::escaped(now.why)));
    return;
  }
  BoundException again = recorded;
  again.answers = now.answers;
  again.disposition = now.disposition;
  again.after = now.after;
  again.reason = now.reason;
  const auto changed = differences(recorded, again);
  differ_ += changed.empty() ? 0 : 1;
  if (changed.empty() && !verbose_) return;
  write(head + was +
        fmt::format("    now {}; {}\n    {}{}\n", answers_in_words(again.answers),
                    outcome_in_words(again), changed.empty() ? "the same" : "differs: ", changed));
}

void ReplayWriter::records(const std::vector<events::Record>& records) {
  for (const auto& record : records) {
    if (const auto* output = std::get_if<events::DriverOutput>(&record)) {
      std::string_view text = output->text;
      while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
      write(fmt::format("[{}] {}\n", report::escaped(output->driver), report::escaped(text)));
    } else if (const auto* remark = std::get_if<events::VerifierRecord>(&record)) {
      write(fmt::format("kebound: verifier: {}: {}\n", report::escaped(remark->rule),
                        report::escaped(remark->message)));
    }
  }
}

void ReplayWriter::bug_check(const nt::BugCheck& bug_check) {
  const char* const name = report::bug_check_name(bug_check.code);
  write(fmt::format("*** STOP: 0x{:08X}{}{}\n***   {}\n", bug_check.code,
                    name == nullptr ? "" : " ", name == nullptr ? "" : name,
                    report::escaped(bug_check.explanation)));
}

bool ReplayWriter::finish() {
  write(fmt::format(
      "kebound: replay: {} exception{}: {} as recorded, {} differ, {} not to be told\n", presented_,
      presented_ == 1 ? "" : "s", presented_ - differ_ - untold_, differ_, untold_));
  if (error_ == 0) return true;
  print_message({"the report", "cannot be written: " + error_text(error_),
                 "choose another file with --output"});
  return false;
}

}  // namespace kebound::tool
