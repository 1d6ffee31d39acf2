// SPDX-License-Identifier: Apache-2.0
//
// Sites as SARIF results.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <string>
#include <vector>

#include "report/check_rules.h"
#include "report/json_writer.h"
#include "report/sites.h"
#include "report/source_text.h"
#include "report/uris.h"

namespace kebound::report {

class SarifResults {
 public:
  explicit SarifResults(Artifacts& artifacts) : artifacts_(artifacts) {}
  // Appends the result object of one site.
  void write(const Site& site, JsonWriter& json);
  // The rules of all results written so far, by their ruleIndex.
  [[nodiscard]] const std::vector<CheckRule>& rules() const noexcept { return rules_; }

 private:
  size_t rule_of(const Site& site);
  void location(JsonWriter& json, uint64_t pc, const Location& location, const SourceFrame* frame,
                const std::string& message, bool with_snippet);
  void physical(JsonWriter& json, uint64_t pc, const Location& location, const SourceFrame* frame,
                bool with_snippet);
  void artifact(JsonWriter& json, const std::string& path, bool is_binary);
  void code_flow(JsonWriter& json, const CountedStack& stack, const std::string& message);
  void stacks(JsonWriter& json, const Site& site);
  void fingerprints(JsonWriter& json, const Site& site, const CheckRule& rule);
  void properties(JsonWriter& json, const Site& site, const CheckRule& rule);

  Artifacts& artifacts_;
  SourceText sources_;
  std::vector<CheckRule> rules_;
  std::map<std::string, size_t> rule_numbers_;
  std::map<std::string, size_t> twins_;  // how often a fingerprint was used
};

}  // namespace kebound::report
