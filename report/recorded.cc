// SPDX-License-Identifier: Apache-2.0
#include "report/recorded.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "report/jsonl.h"
#include "report/names.h"

namespace kebound::report {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxBuildIdDigits = 128;  // as many as a Location has

// Thrown and caught in this file.
struct Refusal {
  std::string why;
};

[[noreturn]] void refuse(const char* name, const char* what) {
  throw Refusal{fmt::format("the member '{}' is {}", name, what)};
}

const Json& member(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) refuse(name, "missing");
  return *found;
}

// Members that came later than the first version of the protocol: older reports do not have them.
const Json* later_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text(const Json& value, const char* name) {
  if (value.is_null()) return {};
  if (!value.is_string()) refuse(name, "not a string");
  return raw_bytes(value.get_ref<const std::string&>());
}

std::string text_of(const Json& object, const char* name) {
  return text(member(object, name), name);
}

events::SharedName shared(const Json& object, const char* name) {
  auto value = text_of(object, name);
  return value.empty() ? nullptr : std::make_shared<const std::string>(std::move(value));
}

int64_t checked_integer(const Json& value, const char* name, int64_t low, int64_t high) {
  if (!value.is_number_integer()) refuse(name, "not an integer");
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    refuse(name, "out of range");
  }
  const auto number = value.get<int64_t>();
  if (number < low || number > high) refuse(name, "out of range");
  return number;
}

int64_t integer(const Json& object, const char* name, int64_t low = INT64_MIN,
                int64_t high = INT64_MAX, bool may_be_null = false) {
  const Json& value = member(object, name);
  if (may_be_null && value.is_null()) return 0;
  return checked_integer(value, name, low, high);
}

uint64_t count(const Json& object, const char* name) {
  const Json& value = member(object, name);
  if (!value.is_number_unsigned()) refuse(name, "not a count");
  return value.get<uint64_t>();
}

int32_t id(const Json& object, const char* name) {
  return static_cast<int32_t>(integer(object, name, 1, INT32_MAX, true));
}

uint64_t hex(const Json& value, const char* name) {
  if (!value.is_string()) refuse(name, "not a hexadecimal string");
  const auto& digits = value.get_ref<const std::string&>();
  uint64_t number = 0;
  const char* const end = digits.data() + digits.size();
  if (!digits.starts_with("0x") || digits.size() == 2) refuse(name, "not a hexadecimal string");
  const auto [stop, error] = std::from_chars(digits.data() + 2, end, number, 16);
  if (error != std::errc{} || stop != end) refuse(name, "not a hexadecimal string of 64 bits");
  return number;
}

uint64_t later_hex(const Json& object, const char* name) {
  const Json* const value = later_member(object, name);
  return value == nullptr ? 0 : hex(*value, name);
}

bool boolean(const Json& object, const char* name) {
  const Json& value = member(object, name);
  if (!value.is_boolean()) refuse(name, "not true or false");
  return value.get<bool>();
}

const Json& array(const Json& object, const char* name, size_t most) {
  const Json& value = member(object, name);
  if (!value.is_array()) refuse(name, "not an array");
  if (value.size() > most) refuse(name, "too long");
  return value;
}

// The enumerator whose name is `name`; `fallback` for names of later versions.
template <typename Enum, typename Name>
Enum by_name(const std::string& name, Enum first, Enum last, Enum fallback, Name&& name_of) {
  for (int i = static_cast<int>(first); i <= static_cast<int>(last); ++i) {
    if (name == name_of(static_cast<Enum>(i))) return static_cast<Enum>(i);
  }
  return fallback;
}

void code_bytes(const Json& object, events::BoundException& exception) {
  const auto digits = text_of(object, "code");
  if (digits.size() % 2 != 0 || digits.size() > 2 * sizeof exception.code)
    refuse("code", "too long");
  for (size_t i = 0; i < digits.size(); i += 2) {
    const char* const end = digits.data() + i + 2;
    const auto [stop, error] = std::from_chars(digits.data() + i, end, exception.code[i / 2], 16);
    if (error != std::errc{} || stop != end) refuse("code", "not hexadecimal");
  }
  exception.code_size = static_cast<uint8_t>(digits.size() / 2);
}

// Registers by the names that list_registers() gives them.
void registers(const Json& object, const char* name, bool is_64bit, x86::Registers& registers) {
  const Json& values = member(object, name);
  if (!values.is_object()) refuse(name, "not an object");
  for (const auto& [key, value] : values.items()) {
    uint64_t number = hex(value, key.c_str());
    if (!set_register(registers, key, is_64bit, number))
      refuse(key.c_str(), "not a register, or out of range");
  }
}

Location location_of(const Json& object) {
  Location location;
  location.module = text_of(object, "module");
  if (const Json* const offset = later_member(object, "module_offset"))
    location.offset = hex(*offset, "module_offset");
  SourceFrame frame;
  frame.function = text_of(object, "symbol");
  frame.file = text_of(object, "file");
  frame.line = static_cast<uint32_t>(integer(object, "line", 1, UINT32_MAX, true));
  if (!frame.function.empty() || !frame.file.empty()) location.frames.push_back(std::move(frame));
  return location;
}

std::string build_id(const Json& object) {
  const Json* const value = later_member(object, "build_id");
  if (value == nullptr) return {};
  auto digits = text(*value, "build_id");
  if (digits.size() > kMaxBuildIdDigits ||
      digits.find_first_not_of("0123456789abcdef") != std::string::npos)
    refuse("build_id", "not a build ID");
  return digits;
}

void stack_frames(const Json& object, RecordedLine& line) {
  if (!object.contains("stack")) return;
  for (const Json& item : array(object, "stack", 4'096)) {
    if (!item.is_object()) refuse("stack", "not an array of objects");
    const uint64_t pc = hex(member(item, "ip"), "ip");
    Location location = location_of(item);
    const bool is_inlined = boolean(item, "inlined");
    if (!location.frames.empty()) location.frames[0].inlined = is_inlined;
    // Functions that are inlined into one another were one frame.
    auto& frames = line.stack;
    const bool goes_on = !frames.empty() && frames.back().pc == pc &&
                         !frames.back().location.frames.empty() &&
                         frames.back().location.frames.back().inlined && !location.frames.empty();
    if (goes_on) {
      frames.back().location.frames.push_back(std::move(location.frames[0]));
    } else {
      frames.push_back({pc, std::move(location)});
    }
  }
}

void answers(const Json& object, events::BoundException& exception) {
  for (const Json& item : array(object, "answers", 4'096)) {
    if (!item.is_object()) refuse("answers", "not an array of objects");
    events::Answer answer;
    answer.driver = shared(item, "driver");
    answer.callback = shared(item, "callback");
    answer.status = static_cast<uint32_t>(integer(item, "status_value", 0, UINT32_MAX));
    answer.edited = boolean(item, "edited");
    exception.answers.push_back(std::move(answer));
  }
}

BoundEvent bound_event(const Json& object) {
  BoundEvent event;
  event.source = by_name(text_of(object, "source"), BoundSource::X86Bound, kLastSource,
                         BoundSource{0}, source_name);
  event.confidence = by_name(text_of(object, "confidence"), Confidence::Unknown,
                             Confidence::Certain, Confidence::Unknown, confidence_name);
  event.ip = hex(member(object, "ip"), "ip");
  event.index = integer(object, "index");
  event.lower = integer(object, "lower");
  event.upper = integer(object, "upper");
  const auto name = text_of(object, "index_register");
  const Json* const width = later_member(object, "index_width");
  if (width != nullptr)
    event.index_width = static_cast<uint8_t>(checked_integer(*width, "index_width", 8, 64));
  event.index_address = later_hex(object, "index_address");
  if (!name.empty() && !set_index_register(event, name)) refuse("index_register", "not a register");
  event.check = CheckKind::ArrayBounds;
  if (const Json* const check = later_member(object, "check")) {
    event.check = by_name(text(*check, "check"), CheckKind::Unknown, kLastCheckKind,
                          CheckKind::Unknown, check_kind_name);
  }
  event.trap_ip = later_hex(object, "trap_ip");
  event.line_ip = later_hex(object, "line_ip");
  event.index_raw = later_hex(object, "index_raw");
  event.bounds_address = later_hex(object, "bounds_address");
  if (const Json* const length = later_member(object, "instruction_length")) {
    event.instruction_length =
        static_cast<uint8_t>(checked_integer(*length, "instruction_length", 1, 15));
  }
  if (object.contains("resumable")) event.resumable = boolean(object, "resumable");
  if (const Json* const doubt = later_member(object, "doubt")) {
    event.doubt = by_name(text(*doubt, "doubt"), Doubt::None, kLastDoubt, Doubt::None, doubt_text);
  }
  return event;
}

events::Disposition disposition(const Json& object) {
  const auto name = text_of(object, "disposition");
  for (const auto end : {events::Disposition::Handled, events::Disposition::Propagated,
                         events::Disposition::Terminated}) {
    if (name == events::disposition_name(end)) return end;
  }
  refuse("disposition", "not one that is known");
}

events::BoundException bound_exception(const Json& object, RecordedLine& line) {
  events::BoundException exception;
  exception.time_ns = line.time_ns;
  exception.pid = id(object, "pid");
  exception.tid = id(object, "tid");
  exception.program = shared(object, "program");
  exception.thread_name = shared(object, "thread_name");
  exception.event = bound_event(object);
  code_bytes(object, exception);
  const Json& sets = member(object, "registers");
  if (!sets.is_object()) refuse("registers", "not an object");
  const Json& before = member(sets, "before");
  const bool is_64bit = before.is_object() && before.contains("rip");
  registers(sets, "before", is_64bit, exception.before);
  exception.after = exception.before;
  registers(sets, "after", is_64bit, exception.after);
  auto modules = std::make_shared<events::ModuleMap>();
  modules->is_64bit = is_64bit;
  exception.modules = std::move(modules);
  answers(object, exception);
  exception.disposition = disposition(object);
  exception.reason = text_of(object, "reason");
  if (const Json* const detail = later_member(object, "detail"))
    exception.detail = text(*detail, "detail");
  if (const Json* const rule = later_member(object, "rule"))
    exception.rule = std::make_shared<const std::string>(text(*rule, "rule"));
  line.location = location_of(object);
  line.location.build_id = build_id(object);
  stack_frames(object, line);
  if (!line.stack.empty() && !line.stack[0].location.frames.empty() &&
      line.stack[0].pc == exception.event.ip) {
    line.location.frames = line.stack[0].location.frames;  // with what is inlined there
  }
  return exception;
}

events::BugCheckRecord bug_check(const Json& object, int64_t time_ns) {
  events::BugCheckRecord record;
  record.time_ns = time_ns;
  record.pid = id(object, "pid");
  record.tid = id(object, "tid");
  const uint64_t code = hex(member(object, "code"), "code");
  if (code > UINT32_MAX) refuse("code", "out of range");
  record.code = static_cast<uint32_t>(code);
  const Json& parameters = array(object, "parameters", 4);
  for (size_t i = 0; i < parameters.size(); ++i)
    record.parameters[i] = hex(parameters[i], "parameters");
  record.driver = text_of(object, "driver");
  record.callback = text_of(object, "callback");
  record.explanation = text_of(object, "explanation");
  return record;
}

events::ProcessExited process_exited(const Json& object, int64_t time_ns) {
  const bool signaled = member(object, "exit_status").is_null();
  return {time_ns, id(object, "pid"), signaled,
          static_cast<int32_t>(signaled ? integer(object, "signal", 1, 64)
                                        : integer(object, "exit_status", 0, 255))};
}

Totals summary(const Json& object) {
  Totals totals;
  totals.exceptions = count(object, "exceptions");
  totals.handled = count(object, "handled");
  totals.propagated = count(object, "propagated");
  totals.terminated = count(object, "terminated");
  totals.verifier = count(object, "verifier");
  totals.bug_checks = count(object, "bug_checks");
  totals.missing = object.contains("missing") ? count(object, "missing") : 0;
  return totals;
}

void parse_event(const Json& object, RecordedLine& line) {
  if (!object.is_object()) throw Refusal{"it is not a JSON object"};
  const int64_t version = integer(object, "version");
  if (version != static_cast<int64_t>(kProtocolVersion)) {
    throw Refusal{fmt::format("it is of version {} of the protocol, only {} is known", version,
                              kProtocolVersion)};
  }
  const auto event = text_of(object, "event");
  const int64_t time = line.time_ns = integer(object, "time_ns", 0);
  if (event == "bound-exception") {
    line.record = bound_exception(object, line);
  } else if (event == "driver-output") {
    line.record =
        events::DriverOutput{time,
                             id(object, "pid"),
                             id(object, "tid"),
                             text_of(object, "driver"),
                             static_cast<uint32_t>(integer(object, "component", 0, UINT32_MAX)),
                             static_cast<uint32_t>(integer(object, "level", 0, UINT32_MAX)),
                             text_of(object, "text")};
  } else if (event == "bug-check") {
    line.record = bug_check(object, time);
  } else if (event == "verifier") {
    line.record = events::VerifierRecord{time,
                                         id(object, "pid"),
                                         id(object, "tid"),
                                         text_of(object, "rule"),
                                         text_of(object, "driver"),
                                         text_of(object, "callback"),
                                         text_of(object, "message")};
  } else if (event == "driver-loaded") {
    line.record = events::DriverLoaded{time, text_of(object, "driver"), text_of(object, "path")};
  } else if (event == "driver-unloaded") {
    line.record = events::DriverUnloaded{time, text_of(object, "driver")};
  } else if (event == "process-started") {
    line.record =
        events::ProcessStarted{time, id(object, "pid"), id(object, "parent"),
                               text_of(object, "program"), integer(object, "bits", 32, 64) == 64};
  } else if (event == "process-exited") {
    line.record = process_exited(object, time);
  } else if (event == "summary") {
    line.summary = summary(object);
  }
}

}  // namespace

std::string raw_bytes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](size_t at) {
      return at < text.size() ? static_cast<uint8_t>(text[at]) : 0u;
    };
    // U+EF80 to U+EFFF: EE BE 80 to EE BF BF.
    if (byte(i) == 0xee && (byte(i + 1) == 0xbe || byte(i + 1) == 0xbf) &&
        (byte(i + 2) & 0xc0) == 0x80) {
      out += static_cast<char>(0x80 | (byte(i + 1) & 1) << 6 | (byte(i + 2) & 0x3f));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::variant<RecordedLine, RecordedError> parse_recorded_line(std::string_view line) {
  // The parser keeps its own stack of open brackets, but nothing of ours is nested as deep as that.
  const Json object = Json::parse(line.begin(), line.end(), nullptr, false);
  if (object.is_discarded()) return RecordedError{"it is not JSON"};
  RecordedLine result;
  try {
    parse_event(object, result);
  } catch (const Refusal& refusal) {
    return RecordedError{refusal.why};
  }
  return result;
}

}  // namespace kebound::report
