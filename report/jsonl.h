// SPDX-License-Identifier: Apache-2.0
//
// The report for programs: JSON Lines, as docs/protocol.md describes them.
#pragma once

#include <stdint.h>

#include <string>

#include "report/places.h"
#include "report/renderer.h"
#include "report/resolver.h"

namespace kebound::report {

// The "version" of every object; docs/protocol.md says when it changes.
inline constexpr uint64_t kProtocolVersion = 1;

class JsonlRenderer final : public Renderer {
 public:
  explicit JsonlRenderer(Resolver& resolver, bool gen_suppressions = false)
      : places_(resolver), gen_suppressions_(gen_suppressions) {}
  void render(const events::Record& record, std::string& out) override;
  void finish(const Totals& totals, int64_t time_ns, std::string& out) override;

 private:
  void exception(const events::BoundException& exception, std::string& out);

  Places places_;
  bool gen_suppressions_;
};

}  // namespace kebound::report
