// SPDX-License-Identifier: Apache-2.0
//
// The report for code-scanning tools: one SARIF 2.1.0 log, written at the end of the run
// (docs/reports.md says what of SARIF is used how).
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "report/renderer.h"
#include "report/resolver.h"
#include "report/run_facts.h"
#include "report/sites.h"

namespace kebound::report {

class SarifRenderer final : public Renderer {
 public:
  SarifRenderer(const Options& options, Resolver& resolver)
      : source_root_(options.source_root), command_(options.command), sites_(resolver) {}
  void render(const events::Record& record, std::string& out) override;
  void finish(const Totals& totals, int64_t time_ns, std::string& out) override;

 private:
  const std::string source_root_;
  const std::vector<std::string> command_;
  Sites sites_;
  RunFacts facts_;
};

}  // namespace kebound::report
