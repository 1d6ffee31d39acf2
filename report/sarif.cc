// SPDX-License-Identifier: Apache-2.0
#include "report/sarif.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <variant>

#include "report/escape.h"
#include "report/json_writer.h"
#include "report/phrases.h"
#include "report/sarif_results.h"

namespace kebound::report {
namespace {

// What code-scanning services take of one run.
constexpr size_t kMaxResults = 25'000;

void text(JsonWriter& json, std::string_view name, std::string_view value) {
  json.member(name).open('{');
  json.member("text").string(value);
  json.close('}');
}

void rules(JsonWriter& json, const std::vector<CheckRule>& list) {
  json.member("rules").open('[');
  for (const auto& rule : list) {
    json.open('{');
    json.member("id").string(rule.id);
    json.member("name").string(rule.name);
    text(json, "shortDescription", rule.summary);
    text(json, "fullDescription", rule.summary + " " + rule.explanation);
    text(json, "help", rule.explanation);
    json.member("defaultConfiguration").open('{');
    json.member("level").string("error");
    json.close('}');
    json.member("properties").open('{');
    // It happened: there is nothing more precise than that.
    json.member("precision").string("very-high");
    json.member("tags").open('[');
    for (const char* const tag : {"security", "memory-safety"}) json.string(tag);
    json.string(std::string("external/cwe/") + rule.cwe);
    json.close(']');
    json.close('}');
    json.close('}');
  }
  json.close(']');
}

void tool(JsonWriter& json, const std::vector<CheckRule>& list) {
  json.member("tool").open('{');
  json.member("driver").open('{');
  json.member("name").string("kebound");
  json.member("version").string(KEBOUND_VERSION);
  json.member("semanticVersion").string(KEBOUND_VERSION);
  text(json, "shortDescription", "Bounds failures of running programs, as bound exceptions.");
  rules(json, list);
  json.close('}');
  json.close('}');
}

void notification(JsonWriter& json, const Note& note) {
  auto what = escaped(note.message.empty() ? note.rule : note.message);
  if (!note.driver.empty()) what += " (driver " + escaped(note.driver) + ")";
  json.open('{');
  json.member("descriptor").open('{');
  json.member("id").string(escaped(note.rule));
  json.close('}');
  json.member("level").string(note.is_bug_check ? "error" : "warning");
  text(json, "message", what);
  json.member("timeUtc").string(utc_time(note.time_ns));
  json.close('}');
}

void end_of_program(JsonWriter& json, const events::ProcessExited& end) {
  if (!end.signaled) {
    json.member("exitCode").number(int64_t{end.status});
    json.member("exitCodeDescription").string("of the program");
    return;
  }
  json.member("exitSignalNumber").number(int64_t{end.status});
  const char* const name = sigabbrev_np(end.status);
  if (name != nullptr) json.member("exitSignalName").string(std::string("SIG") + name);
}

void invocation(JsonWriter& json, const RunFacts& facts, const std::vector<std::string>& command,
                const Totals& totals, int64_t time_ns, size_t left_out) {
  json.member("invocations").open('[');
  json.open('{');
  json.member("executionSuccessful").boolean(totals.bug_checks == 0 && totals.missing == 0);
  if (!command.empty()) {
    json.member("commandLine").string(shell_line(command));
    json.member("arguments").open('[');
    for (size_t i = 1; i < command.size(); ++i) json.string(command[i]);
    json.close(']');
  }
  if (facts.first_ns != 0) json.member("startTimeUtc").string(utc_time(facts.first_ns));
  json.member("endTimeUtc").string(utc_time(std::max(time_ns, facts.last_ns)));
  if (facts.end) end_of_program(json, *facts.end);
  json.member("toolExecutionNotifications").open('[');
  for (const auto& note : facts.notes) notification(json, note);
  if (totals.missing != 0) {
    notification(json, {time_ns, true, "events-missing", "", "",
                        fmt::format("{} events are not in this report", totals.missing)});
  }
  if (left_out != 0) {
    notification(json, {time_ns, false, "results-left-out", "", "",
                        fmt::format("{} places with the fewest exceptions are not in this report",
                                    left_out)});
  }
  json.close(']');
  json.close('}');
  json.close(']');
}

void artifacts(JsonWriter& json, const Artifacts& list) {
  if (!list.root_uri().empty()) {
    json.member("originalUriBaseIds").open('{');
    json.member("SRCROOT").open('{');
    json.member("uri").string(list.root_uri());
    text(json, "description", "the source root (--source-root)");
    json.close('}');
    json.close('}');
  }
  json.member("artifacts").open('[');
  for (const auto& item : list.all()) {
    json.open('{');
    json.member("location").open('{');
    json.member("uri").string(item.uri);
    if (item.is_below_root) json.member("uriBaseId").string("SRCROOT");
    json.close('}');
    json.member("roles").open('[');
    json.string(item.is_binary ? "analysisTarget" : "tracedFile");
    json.close(']');
    json.close('}');
  }
  json.close(']');
}

void run_properties(JsonWriter& json, const RunFacts& facts, const Totals& totals,
                    uint64_t elsewhere) {
  json.member("properties").open('{');
  if (!facts.program.empty()) json.member("program").string(facts.program);
  json.member("exceptions").number(totals.exceptions);
  json.member("handled").number(totals.handled);
  json.member("propagated").number(totals.propagated);
  json.member("terminated").number(totals.terminated);
  json.member("missing").number(totals.missing);
  json.member("elsewhere").number(elsewhere);
  json.close('}');
}

}  // namespace

void SarifRenderer::render(const events::Record& record, std::string&) {
  facts_.add(record);
  if (const auto* exception = std::get_if<events::BoundException>(&record)) {
    sites_.add(*exception, true);
  }
}

void SarifRenderer::finish(const Totals& totals, int64_t time_ns, std::string& out) {
  Artifacts files(source_root_);
  SarifResults results(files);
  std::string list;
  JsonWriter items(list);
  const auto sites = sites_.by_count();
  const size_t shown = std::min(sites.size(), kMaxResults);
  items.open('[');
  for (size_t i = 0; i < shown; ++i) results.write(*sites[i], items);
  items.close(']');

  JsonWriter json(out);
  json.open('{');
  json.member("$schema").string("https://json.schemastore.org/sarif-2.1.0.json");
  json.member("version").string("2.1.0");
  json.member("runs").open('[');
  json.open('{');
  tool(json, results.rules());
  invocation(json, facts_, command_, totals, time_ns, sites.size() - shown);
  artifacts(json, files);
  json.member("columnKind").string("utf16CodeUnits");
  json.member("results").raw(list);
  run_properties(json, facts_, totals, sites_.elsewhere());
  json.close('}');
  json.close(']');
  json.close('}');
  out += '\n';
}

}  // namespace kebound::report
