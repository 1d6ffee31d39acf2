// SPDX-License-Identifier: Apache-2.0
//
// The report for people.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "report/renderer.h"
#include "report/resolver.h"
#include "report/sites.h"

namespace kebound::report {

struct TextOptions {
  bool colour = false;
  bool verbose = false;
  bool intel_syntax = false;
  bool gen_suppressions = false;
};

class TextRenderer final : public Renderer {
 public:
  TextRenderer(const TextOptions& options, Resolver& resolver);
  void render(const events::Record& record, std::string& out) override;
  void finish(const Totals& totals, int64_t time_ns, std::string& out) override;

 private:
  enum class Style { Plain, Bold, Red, Green, Yellow };

  void exception(const events::BoundException& exception, std::string& out);
  void block(const events::BoundException& exception, const Place& place, std::string& out);
  void instruction(const events::BoundException& exception, const Place& place, std::string& out);
  void check(const events::BoundException& exception, const Place& place, std::string& out);
  void backtrace(const events::BoundException& exception, const Place& place, std::string& out);
  void outcome(const events::BoundException& exception, std::string& out);
  void suppress(const events::BoundException& exception, const Place& place, std::string& out);
  void rules(const Totals& totals, std::string& out) const;
  void bug_check(const events::BugCheckRecord& record, std::string& out);
  void styled(std::string& out, Style style, std::string_view text) const;

  const TextOptions options_;
  Sites sites_;
  std::set<std::string> suggested_;  // rules that were printed
  uint64_t blocks_ = 0;
};

}  // namespace kebound::report
