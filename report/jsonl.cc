// SPDX-License-Identifier: Apache-2.0
#include "report/jsonl.h"

#include "report/json_writer.h"
#include "report/names.h"
#include "report/phrases.h"
#include "report/suppression.h"

namespace kebound::report {
namespace {

using events::BoundException;

// Begins the object of one event.
void begin(JsonWriter& json, std::string_view event, int64_t time_ns) {
  json.open('{');
  json.member("version").number(kProtocolVersion);
  json.member("event").string(event);
  json.member("time_ns").number(time_ns);
}

void end(JsonWriter& json, std::string& out) {
  json.close('}');
  out += '\n';
}

void thread(JsonWriter& json, int32_t pid, int32_t tid) {
  json.member("pid").number_or_null(pid);
  json.member("tid").number_or_null(tid);
}

void name(JsonWriter& json, const events::SharedName& shared) {
  shared ? json.text_or_null(*shared) : json.null();
}

void source(JsonWriter& json, const SourceFrame* frame) {
  json.member("symbol");
  frame != nullptr ? json.text_or_null(frame->function) : json.null();
  json.member("file");
  frame != nullptr ? json.text_or_null(frame->file) : json.null();
  json.member("line");
  frame != nullptr ? json.number_or_null(frame->line) : json.null();
}

void module(JsonWriter& json, const Location& location) {
  json.member("module").text_or_null(location.module);
  json.member("module_offset");
  location.offset ? json.hex(*location.offset) : json.null();
}

// The members that every exception at the place shares, without the comma before them.
std::string place_members(const Location& location, const std::string& suppression) {
  std::string text;
  JsonWriter json(text);
  module(json, location);
  json.member("build_id").text_or_null(location.build_id);
  source(json, location.frames.empty() ? nullptr : &location.frames[0]);
  if (!suppression.empty()) json.member("suppression").string(suppression);
  return text;
}

void registers(JsonWriter& json, const BoundException& exception) {
  const bool is_64bit = is_64bit_code(exception);
  RegisterValue before[kMaxRegisters];
  RegisterValue after[kMaxRegisters];
  const size_t count = list_registers(exception.before, is_64bit, before);
  list_registers(exception.after, is_64bit, after);
  json.open('{');
  json.member("before").open('{');
  for (size_t i = 0; i < count; ++i) json.member(before[i].name).hex(before[i].value);
  json.close('}');
  json.member("after").open('{');
  for (size_t i = 0; i < count; ++i) {
    if (after[i].value != before[i].value) json.member(after[i].name).hex(after[i].value);
  }
  json.close('}');
  json.close('}');
}

void answers(JsonWriter& json, const BoundException& exception) {
  json.open('[');
  for (const auto& answer : exception.answers) {
    json.open('{');
    name(json.member("driver"), answer.driver);
    name(json.member("callback"), answer.callback);
    json.member("status").string(answer_name(answer.status));
    json.member("status_value").number(uint64_t{answer.status});
    json.member("edited").boolean(answer.edited);
    json.close('}');
  }
  json.close(']');
}

void stack(JsonWriter& json, const std::vector<StackFrame>& frames) {
  json.open('[');
  const auto one = [&](const StackFrame& frame, const SourceFrame* function) {
    json.open('{');
    json.member("ip").hex(frame.pc);
    module(json, frame.location);
    source(json, function);
    json.member("inlined").boolean(function != nullptr && function->inlined);
    json.close('}');
  };
  for (const auto& frame : frames) {
    if (frame.location.frames.empty()) one(frame, nullptr);
    for (const auto& function : frame.location.frames) one(frame, &function);
  }
  json.close(']');
}

void hex_or_null(JsonWriter& json, std::string_view member, uint64_t value) {
  json.member(member);
  value == 0 ? json.null() : json.hex(value);
}

void code(JsonWriter& json, const BoundException& exception, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  json.raw("\"");
  for (size_t i = 0; i < exception.code_size && i < sizeof exception.code; ++i) {
    out += kDigits[exception.code[i] >> 4];
    out += kDigits[exception.code[i] & 15];
  }
  out += '"';
}

}  // namespace

void JsonlRenderer::exception(const BoundException& exception, std::string& out) {
  const auto& event = exception.event;
  Place& place = places_.find(exception);
  if (place.json.empty()) {
    place.json =
        place_members(place.location, gen_suppressions_ ? suppression(event, place.location) : "");
  }
  JsonWriter json(out);
  begin(json, "bound-exception", exception.time_ns);
  thread(json, exception.pid, exception.tid);
  name(json.member("program"), exception.program);
  name(json.member("thread_name"), exception.thread_name);
  json.member("source").string(source_name(event.source));
  json.member("check").string(check_kind_name(event.check));
  json.member("ip").hex(event.ip);
  hex_or_null(json, "trap_ip", event.trap_ip);
  hex_or_null(json, "line_ip", event.line_ip);
  json.raw(place.json);
  json.member("index").number(event.index);
  json.member("lower").number(event.lower);
  json.member("upper").number(event.upper);
  json.member("confidence").string(confidence_name(event.confidence));
  json.member("index_register").text_or_null(index_register_name(event));
  json.member("index_width").number_or_null(event.index_width);
  json.member("index_raw");
  event.index_width == 0 ? json.null() : json.hex(event.index_raw);
  hex_or_null(json, "index_address", event.index_address);
  hex_or_null(json, "bounds_address", event.bounds_address);
  json.member("instruction_length").number_or_null(event.instruction_length);
  json.member("resumable").boolean(event.resumable);
  json.member("doubt").text_or_null(doubt_text(event.doubt));
  json.member("detail").text_or_null(detail_of(exception, place.location));
  json.member("code");
  code(json, exception, out);
  json.member("registers");
  registers(json, exception);
  json.member("answers");
  answers(json, exception);
  json.member("disposition").string(events::disposition_name(exception.disposition));
  json.member("reason").text_or_null(exception.reason);
  if (exception.rule) json.member("rule").string(*exception.rule);
  if (exception.stack && exception.modules) {
    json.member("stack");
    stack(json, places_.backtrace(exception));
  }
  end(json, out);
}

void JsonlRenderer::render(const events::Record& record, std::string& out) {
  JsonWriter json(out);
  std::visit(Overloaded{
                 [&](const BoundException& it) { exception(it, out); },
                 [&](const events::DriverOutput& it) {
                   begin(json, "driver-output", it.time_ns);
                   thread(json, it.pid, it.tid);
                   json.member("driver").text_or_null(it.driver);
                   json.member("component").number(uint64_t{it.component});
                   json.member("level").number(uint64_t{it.level});
                   json.member("text").string(it.text);
                   end(json, out);
                 },
                 [&](const events::BugCheckRecord& it) {
                   begin(json, "bug-check", it.time_ns);
                   thread(json, it.pid, it.tid);
                   json.member("code").hex(it.code);
                   const char* const known = bug_check_name(it.code);
                   json.member("name").text_or_null(known != nullptr ? known : "");
                   json.member("parameters").open('[');
                   for (const uint64_t parameter : it.parameters) json.hex(parameter);
                   json.close(']');
                   json.member("driver").text_or_null(it.driver);
                   json.member("callback").text_or_null(it.callback);
                   json.member("explanation").text_or_null(it.explanation);
                   end(json, out);
                 },
                 [&](const events::VerifierRecord& it) {
                   begin(json, "verifier", it.time_ns);
                   thread(json, it.pid, it.tid);
                   json.member("rule").string(it.rule);
                   json.member("driver").text_or_null(it.driver);
                   json.member("callback").text_or_null(it.callback);
                   json.member("message").string(it.message);
                   end(json, out);
                 },
                 [&](const events::DriverLoaded& it) {
                   begin(json, "driver-loaded", it.time_ns);
                   json.member("driver").text_or_null(it.driver);
                   json.member("path").text_or_null(it.path);
                   end(json, out);
                 },
                 [&](const events::DriverUnloaded& it) {
                   begin(json, "driver-unloaded", it.time_ns);
                   json.member("driver").text_or_null(it.driver);
                   end(json, out);
                 },
                 [&](const events::ProcessStarted& it) {
                   begin(json, "process-started", it.time_ns);
                   json.member("pid").number_or_null(it.pid);
                   json.member("parent").number_or_null(it.parent);
                   json.member("program").text_or_null(it.program);
                   json.member("bits").number(uint64_t{it.is_64bit ? 64u : 32u});
                   end(json, out);
                 },
                 [&](const events::ProcessExited& it) {
                   begin(json, "process-exited", it.time_ns);
                   json.member("pid").number_or_null(it.pid);
                   json.member("exit_status");
                   it.signaled ? json.null() : json.number(int64_t{it.status});
                   json.member("signal");
                   it.signaled ? json.number(int64_t{it.status}) : json.null();
                   end(json, out);
                 },
             },
             record);
}

void JsonlRenderer::finish(const Totals& totals, int64_t time_ns, std::string& out) {
  JsonWriter json(out);
  begin(json, "summary", time_ns);
  json.member("exceptions").number(totals.exceptions);
  json.member("handled").number(totals.handled);
  json.member("propagated").number(totals.propagated);
  json.member("terminated").number(totals.terminated);
  json.member("verifier").number(totals.verifier);
  json.member("bug_checks").number(totals.bug_checks);
  json.member("missing").number(totals.missing);
  if (!totals.rules.empty()) {
    json.member("suppressed").number(totals.suppressed);
    json.member("limited").number(totals.limited);
    json.member("rules").open('[');
    for (const RuleTally& rule : totals.rules) {
      json.open('{');
      json.member("place").string(rule.place);
      json.member("text").string(rule.text);
      json.member("matched").number(rule.matched);
      json.member("reported").number(rule.reported);
      json.member("suppressed").number(rule.suppressed);
      json.close('}');
    }
    json.close(']');
  }
  end(json, out);
}

}  // namespace kebound::report
