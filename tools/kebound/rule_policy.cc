// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/rule_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "report/suppression.h"

namespace kebound::tool {
namespace {

// A program that makes up new code all the time does not make us remember all of it. What is
// forgotten is found anew, and counted from zero.
constexpr size_t kMaxPlaces = 65'536;

driver::OnBound as_answer(rules::Action action) {
  switch (action) {
    case rules::Action::Propagate:
      break;
    case rules::Action::Clamp:
      return driver::OnBound::Clamp;
    case rules::Action::Skip:
      return driver::OnBound::Skip;
    case rules::Action::Terminate:
      return driver::OnBound::Terminate;
  }
  return driver::OnBound::Propagate;
}

std::vector<events::SharedName> places_of(const std::vector<rules::Rule>& rules) {
  std::vector<events::SharedName> names;
  for (const rules::Rule& rule : rules) {
    names.push_back(std::make_shared<const std::string>(rule.place()));
  }
  return names;
}

}  // namespace

// A rule that is about a place, with the place's own count.
struct RulePolicy::Candidate final : driver::Match {
  const rules::Rule& rule;
  rules::RuleCounts& counts;
  const events::SharedName& name;
  Atomic<uint64_t> at_site;

  Candidate(const rules::Rule& its_rule, rules::RuleCounts& its_counts,
            const events::SharedName& its_name)
      : rule(its_rule), counts(its_counts), name(its_name) {}

  driver::Decision decide() override {
    const rules::Ruling ruling = rules::decide(rule.limits, counts, at_site);
    driver::Decision decision;
    decision.action = as_answer(ruling.action);
    decision.is_reported = ruling.is_reported;
    decision.is_counted = ruling.is_counted;
    decision.rule = name;
    decision.counts = &counts;
    if (ruling.is_fatal) decision.reason = rules::fatal_reason(rule);
    return decision;
  }
};

// Up to the first rule that asks for no caller: it decides when those before it do not.
struct RulePolicy::Place {
  std::deque<Candidate> candidates;
};

RulePolicy::RulePolicy(std::vector<rules::Rule> rules, report::Resolver* resolver)
    : rules_(std::move(rules)),
      counts_(std::make_unique<rules::RuleCounts[]>(rules_.size())),
      names_(places_of(rules_)),
      resolver_(resolver) {}

RulePolicy::~RulePolicy() = default;

std::shared_ptr<RulePolicy::Place> RulePolicy::resolve(const driver::Sighting& sighting) {
  report::Location location;
  if (sighting.modules && resolver_) {
    location = resolver_->locate(*sighting.modules, sighting.event.ip);
    // Rules mean the function and line that reports show.
    if (const uint64_t line_ip = sighting.event.line_ip; line_ip != 0) {
      location.frames = resolver_->locate(*sighting.modules, line_ip).frames;
    }
  }
  const rules::Site site = report::site_of(sighting.event, location);
  if (by_name_.size() >= kMaxPlaces) by_name_.clear();
  const uint64_t generation = sighting.modules ? sighting.modules->generation : 0;
  const std::string where =
      site.offset ? fmt::format("{}+{:x} {}", site.module, *site.offset, site.build_id)
                  : fmt::format("{}@{:x}", generation, sighting.event.ip);
  std::shared_ptr<Place>& place = by_name_[fmt::format("{} {} {}", where, site.source, site.check)];
  if (place) return place;
  place = std::make_shared<Place>();
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (!matches_site(rules_[i].conditions, site)) continue;
    place->candidates.emplace_back(rules_[i], counts_[i], names_[i]);
    if (rules_[i].conditions.caller.empty()) break;
  }
  return place;
}

std::shared_ptr<RulePolicy::Place> RulePolicy::find_place(const driver::Sighting& sighting) {
  if (!sighting.modules) return resolve(sighting);
  if (by_address_.size() >= kMaxPlaces) by_address_.clear();
  auto& place = by_address_[{sighting.modules->generation, sighting.event.ip,
                             sighting.event.line_ip, sighting.event.source, sighting.event.check}];
  if (!place) place = resolve(sighting);
  return place;
}

// The functions around the innermost one, inlined ones too.
std::vector<std::string> RulePolicy::callers(const driver::Sighting& sighting) {
  std::vector<std::string> names;
  if (!sighting.modules || !resolver_ || !sighting.stack) return names;
  const auto stack = sighting.stack();
  if (!stack) return names;
  bool is_innermost = true;
  for (const auto& frame : resolver_->backtrace(sighting.registers, *stack, *sighting.modules)) {
    for (const auto& function : frame.location.frames) {
      if (!is_innermost) names.push_back(function.function);
      is_innermost = false;
    }
    is_innermost = false;  // also where nothing is known of it
  }
  return names;
}

std::shared_ptr<driver::Match> RulePolicy::look_up(const driver::Sighting& sighting) {
  const std::shared_ptr<Place> place = find_place(sighting);
  std::vector<std::string> names;
  bool have_names = false;
  for (Candidate& candidate : place->candidates) {
    const std::string& pattern = candidate.rule.conditions.caller;
    if (!pattern.empty() && !have_names) {
      names = callers(sighting);
      have_names = true;
    }
    if (pattern.empty() || std::any_of(names.begin(), names.end(), [&](const auto& name) {
          return rules::matches_function(pattern, name);
        })) {
      return {place, &candidate};
    }
  }
  return nullptr;
}

std::vector<report::RuleTally> RulePolicy::tallies() const {
  std::vector<report::RuleTally> result;
  for (size_t i = 0; i < rules_.size(); ++i) {
    result.push_back({*names_[i], rules_[i].text, counts_[i].matched.load(),
                      counts_[i].reported.load(), counts_[i].suppressed.load()});
  }
  return result;
}

}  // namespace kebound::tool
