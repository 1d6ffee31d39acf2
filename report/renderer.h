// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include <memory>
#include <string>

#include "events/record.h"
#include "report/reporter.h"
#include "report/resolver.h"

namespace kebound::report {

// One way to write records down. Context: the writer thread only.
class Renderer {
 public:
  virtual ~Renderer() = default;
  // Appends what `record` comes to, whole lines, possibly nothing.
  virtual void render(const events::Record& record, std::string& out) = 0;
  // Appends what a report ends with.
  virtual void finish(const Totals& totals, int64_t time_ns, std::string& out) = 0;
  // For those that write somewhere themselves: the errno of the first failure, else 0.
  [[nodiscard]] virtual int error() const { return 0; }
};

// The renderer of `options.format`, which is not None. The resolver must outlive it.
[[nodiscard]] std::unique_ptr<Renderer> make_renderer(const Options& options, Resolver& resolver);

// Helper to visit a Record with one lambda per alternative.
template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

}  // namespace kebound::report
