// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include <string>

#include "events/record.h"
#include "report/reporter.h"

namespace kebound::report {

// One way to write records down. Context: the writer thread only.
class Renderer {
 public:
  virtual ~Renderer() = default;
  // Appends what `record` comes to, whole lines, possibly nothing.
  virtual void render(const events::Record& record, std::string& out) = 0;
  // Appends what a report ends with.
  virtual void finish(const Totals& totals, int64_t time_ns, std::string& out) = 0;
};

// Helper to visit a Record with one lambda per alternative.
template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

}  // namespace kebound::report
