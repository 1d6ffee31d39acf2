// SPDX-License-Identifier: Apache-2.0
#include "report/sarif_results.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/escape.h"
#include "report/phrases.h"

namespace kebound::report {
namespace {

constexpr uint32_t kContextLines = 3;
constexpr size_t kMaxFlowFrames = 128;

// 64-bit FNV-1a: stable between versions of kebound, as fingerprints have to be.
class Fingerprint {
 public:
  Fingerprint& add(std::string_view text) {
    for (const char byte : text) step(static_cast<uint8_t>(byte));
    step(0xff);  // no UTF-8 has it: "a" + "bc" is not "ab" + "c"
    return *this;
  }
  [[nodiscard]] std::string hex() const { return fmt::format("{:016x}", hash_); }

 private:
  void step(uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001b3u; }
  uint64_t hash_ = 0xcbf29ce484222325u;
};

const SourceFrame* innermost(const Location& location) {
  return location.frames.empty() ? nullptr : &location.frames[0];
}

void message(JsonWriter& json, std::string_view text) {
  json.member("message").open('{');
  json.member("text").string(text);
  json.close('}');
}

// Calls visit(frame, function or null) for every function of the stack, innermost first.
template <typename Visit>
void each_function(const std::vector<StackFrame>& frames, Visit&& visit) {
  for (const auto& frame : frames) {
    if (frame.location.frames.empty()) visit(frame, nullptr);
    for (const auto& function : frame.location.frames) visit(frame, &function);
  }
}

std::string name_of(const StackFrame& frame, const SourceFrame* function) {
  if (function != nullptr && !function->function.empty()) return called(*function);
  const auto module = module_offset(frame.location);
  return module.empty() ? fmt::format("0x{:x}", frame.pc) : module;
}

void span(JsonWriter& json, std::string_view name, const Span& values) {
  json.member(name).open('[');
  json.number(values.low);
  json.number(values.high);
  json.close(']');
}

void texts(JsonWriter& json, std::string_view name, const std::vector<CountedText>& list) {
  if (list.empty()) return;
  json.member(name).open('[');
  for (const auto& item : list) json.string(item.text);
  json.close(']');
}

}  // namespace

size_t SarifResults::rule_of(const Site& site) {
  auto rule = check_rule(site.first.event.source, site.first.event.check);
  const auto [known, is_new] = rule_numbers_.try_emplace(rule.id, rules_.size());
  if (is_new) rules_.push_back(std::move(rule));
  return known->second;
}

void SarifResults::artifact(JsonWriter& json, const std::string& path, bool is_binary) {
  const size_t number = artifacts_.number(path, is_binary);
  const auto& item = artifacts_.all()[number];
  json.member("artifactLocation").open('{');
  json.member("uri").string(item.uri);
  if (item.is_below_root) json.member("uriBaseId").string("SRCROOT");
  json.member("index").number(uint64_t{number});
  json.close('}');
}

void SarifResults::physical(JsonWriter& json, uint64_t pc, const Location& location,
                            const SourceFrame* frame, bool with_snippet) {
  const bool has_source = frame != nullptr && !frame->file.empty();
  json.member("physicalLocation").open('{');
  if (has_source) {
    artifact(json, frame->file, false);
    if (frame->line != 0) {
      const auto lines = with_snippet ? sources_.around(frame->file, frame->line, kContextLines)
                                      : std::vector<SourceLine>();
      json.member("region").open('{');
      json.member("startLine").number(uint64_t{frame->line});
      for (const auto& line : lines) {
        if (line.number != frame->line) continue;
        json.member("snippet").open('{');
        json.member("text").string(line.text);
        json.close('}');
      }
      json.close('}');
      if (!lines.empty()) {
        std::string text;
        for (const auto& line : lines) text += line.text + '\n';
        json.member("contextRegion").open('{');
        json.member("startLine").number(uint64_t{lines.front().number});
        json.member("endLine").number(uint64_t{lines.back().number});
        json.member("snippet").open('{');
        json.member("text").string(text);
        json.close('}');
        json.close('}');
      }
    }
  } else if (!location.module.empty()) {
    artifact(json, location.module, true);
  }
  json.member("address").open('{');
  json.member("absoluteAddress").number(pc);
  if (location.offset) json.member("relativeAddress").number(*location.offset);
  json.member("kind").string("instruction");
  if (const auto module = module_offset(location); !module.empty()) {
    json.member("fullyQualifiedName").string(module);
  }
  json.close('}');
  json.close('}');
}

void SarifResults::location(JsonWriter& json, uint64_t pc, const Location& location,
                            const SourceFrame* frame, const std::string& text, bool with_snippet) {
  json.open('{');
  physical(json, pc, location, frame, with_snippet);
  if (frame != nullptr && !frame->function.empty()) {
    json.member("logicalLocations").open('[');
    json.open('{');
    json.member("fullyQualifiedName").string(escaped(frame->function));
    json.member("kind").string("function");
    json.close('}');
    json.close(']');
  }
  if (!text.empty()) message(json, text);
  json.close('}');
}

void SarifResults::code_flow(JsonWriter& json, const CountedStack& stack,
                             const std::string& failure) {
  struct Step {
    const StackFrame* frame;
    const SourceFrame* function;
  };
  std::vector<Step> steps;
  each_function(stack.frames, [&](const StackFrame& frame, const SourceFrame* function) {
    if (steps.size() < kMaxFlowFrames) steps.push_back({&frame, function});
  });
  json.open('{');
  message(json, "the calls that led to the failed check");
  json.member("threadFlows").open('[');
  json.open('{');
  json.member("locations").open('[');
  for (size_t i = steps.size(); i-- > 0;) {
    const bool is_check = i == 0;
    const auto text = is_check ? failure
                               : name_of(*steps[i].frame, steps[i].function) + " calls " +
                                     name_of(*steps[i - 1].frame, steps[i - 1].function);
    json.open('{');
    json.member("location");
    location(json, steps[i].frame->pc, steps[i].frame->location, steps[i].function, text, false);
    json.member("nestingLevel").number(uint64_t{steps.size() - 1 - i});
    json.member("importance").string(is_check ? "essential" : "important");
    json.close('}');
  }
  json.close(']');
  json.close('}');
  json.close(']');
  json.close('}');
}

void SarifResults::stacks(JsonWriter& json, const Site& site) {
  json.member("stacks").open('[');
  for (const auto& stack : site.stacks) {
    json.open('{');
    message(json, fmt::format("recorded {} time{}", stack.count, stack.count == 1 ? "" : "s"));
    json.member("frames").open('[');
    each_function(stack.frames, [&](const StackFrame& frame, const SourceFrame* function) {
      json.open('{');
      json.member("location");
      location(json, frame.pc, frame.location, function, "", false);
      if (!frame.location.module.empty()) {
        json.member("module").string(escaped(frame.location.module));
      }
      json.close('}');
    });
    json.close(']');
    json.member("properties").open('{');
    json.member("count").number(stack.count);
    json.close('}');
    json.close('}');
  }
  json.close(']');
}

// The same check keeps its fingerprints from run to run: no addresses, process numbers or times.
void SarifResults::fingerprints(JsonWriter& json, const Site& site, const CheckRule& rule) {
  const SourceFrame* const frame = innermost(site.location);
  const std::string file = frame == nullptr || frame->file.empty()
                               ? std::string(base_name(site.location.module))
                               : artifacts_.all()[artifacts_.number(frame->file, false)].uri;
  Fingerprint coarse;
  coarse.add(rule.id).add(file).add(frame == nullptr ? "" : frame->function);
  // Without a source line the place in the file has to do; it moves when the program is rebuilt.
  Fingerprint fine = coarse;
  fine.add(frame != nullptr && frame->line != 0 ? fmt::format("line {}", frame->line)
           : site.location.offset               ? fmt::format("offset {:x}", *site.location.offset)
                                                : std::string("?"));
  // Checks that one line has several of are told apart by their order.
  const size_t twin = twins_[fine.hex()]++;
  if (twin != 0) fine.add(fmt::format("twin {}", twin));
  json.member("partialFingerprints").open('{');
  json.member("keboundFunction/v1").string(coarse.hex());
  json.close('}');
  json.member("fingerprints").open('{');
  json.member("keboundSite/v1").string(fine.hex());
  json.close('}');
}

void SarifResults::properties(JsonWriter& json, const Site& site, const CheckRule& rule) {
  json.member("properties").open('{');
  for (const auto end : {events::Disposition::Handled, events::Disposition::Propagated,
                         events::Disposition::Terminated}) {
    json.member(events::disposition_name(end)).number(site.of(end));
  }
  json.member("source").string(source_name(site.first.event.source));
  json.member("check").string(check_kind_name(site.first.event.check));
  json.member("confidence")
      .string(confidence_name(site.unknown == site.count ? Confidence::Unknown
                              : site.uncertain != 0      ? Confidence::Likely
                                                         : Confidence::Certain));
  if (site.index.known) {
    span(json, "index", site.index);
    span(json, "lower", site.lower);
    span(json, "upper", site.upper);
  }
  texts(json, "programs", site.programs);
  texts(json, "details", site.details);
  texts(json, "reasons", site.reasons);
  json.member("tags").open('[');
  json.string(std::string("external/cwe/") + rule.cwe);
  json.close(']');
  json.close('}');
}

void SarifResults::write(const Site& site, JsonWriter& json) {
  const size_t rule_index = rule_of(site);
  const CheckRule& rule = rules_[rule_index];
  const auto& event = site.first.event;
  auto text = violation(site) + " " + where(site.location, event.ip);
  if (!site.details.empty()) text += ": " + escaped(site.details[0].text);
  json.open('{');
  json.member("ruleId").string(rule.id);
  json.member("ruleIndex").number(uint64_t{rule_index});
  json.member("kind").string("fail");
  json.member("level").string(site.of(events::Disposition::Handled) == site.count ? "warning"
                                                                                  : "error");
  message(json, text);
  json.member("occurrenceCount").number(site.count);
  json.member("locations").open('[');
  location(json, event.ip, site.location, innermost(site.location), "", true);
  json.close(']');
  fingerprints(json, site, rule);
  if (!site.stacks.empty()) {
    json.member("codeFlows").open('[');
    for (const auto& stack : site.stacks) code_flow(json, stack, text);
    json.close(']');
    stacks(json, site);
  }
  json.member("provenance").open('{');
  json.member("firstDetectionTimeUtc").string(utc_time(site.first_ns));
  json.member("lastDetectionTimeUtc").string(utc_time(site.last_ns));
  json.member("invocationIndex").number(uint64_t{0});
  json.close('}');
  properties(json, site, rule);
  json.close('}');
}

}  // namespace kebound::report
