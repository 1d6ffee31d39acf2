// SPDX-License-Identifier: Apache-2.0
//
// The rules of --rules for the supervisor: which one is about an exception, and what it says.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "hosts/driver/policy.h"
#include "report/reporter.h"
#include "report/resolver.h"
#include "rules/rule.h"

namespace kebound::tool {

class RulePolicy final : public driver::Policy {
 public:
  // The first rule that is about an exception decides. `resolver` finds the names that rules ask
  // for, once for each place; it may be null, then no names are known. Borrowed.
  RulePolicy(std::vector<rules::Rule> rules, report::Resolver* resolver);
  RulePolicy(const RulePolicy&) = delete;
  RulePolicy& operator=(const RulePolicy&) = delete;
  ~RulePolicy() override;

  // A place that is known costs one hash lookup; with rules about callers, the finding of the
  // stack's functions besides, for exceptions that such a rule may be about.
  [[nodiscard]] std::shared_ptr<driver::Match> look_up(const driver::Sighting& sighting) override;

  // Of every rule, in their order. Context: when no exception is on its way.
  [[nodiscard]] std::vector<report::RuleTally> tallies() const;

 private:
  struct Candidate;
  struct Place;
  struct Key {
    uint64_t generation;  // of the module map, so of one address space
    uint64_t ip;
    uint64_t line_ip;
    BoundSource source;
    CheckKind check;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const noexcept {
      return (key.generation * 0x9e3779b97f4a7c15u) ^ (key.ip * 0xff51afd7ed558ccdu >> 7) ^
             key.line_ip ^ (static_cast<size_t>(key.source) << 8) ^ static_cast<size_t>(key.check);
    }
  };

  [[nodiscard]] std::shared_ptr<Place> find_place(const driver::Sighting& sighting);
  [[nodiscard]] std::shared_ptr<Place> resolve(const driver::Sighting& sighting);
  [[nodiscard]] std::vector<std::string> callers(const driver::Sighting& sighting);

  const std::vector<rules::Rule> rules_;
  const std::unique_ptr<rules::RuleCounts[]> counts_;
  const std::vector<events::SharedName> names_;
  report::Resolver* const resolver_;
  std::unordered_map<Key, std::shared_ptr<Place>, Hash> by_address_;
  // The same code is the same place in every process and at every load address.
  std::unordered_map<std::string, std::shared_ptr<Place>> by_name_;
};

}  // namespace kebound::tool
