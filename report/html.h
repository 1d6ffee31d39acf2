// SPDX-License-Identifier: Apache-2.0
//
// The report to be read and passed on: one HTML file without anything outside it, written at the
// end of the run.
#pragma once

#include <stdint.h>

#include <string>

#include "report/renderer.h"
#include "report/resolver.h"
#include "report/run_facts.h"
#include "report/sites.h"

namespace kebound::report {

class HtmlRenderer final : public Renderer {
 public:
  HtmlRenderer(const Options& options, Resolver& resolver) : options_(options), sites_(resolver) {}
  void render(const events::Record& record, std::string& out) override;
  void finish(const Totals& totals, int64_t time_ns, std::string& out) override;

 private:
  const Options options_;
  Sites sites_;
  RunFacts facts_;
};

}  // namespace kebound::report
