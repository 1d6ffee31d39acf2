// SPDX-License-Identifier: Apache-2.0
//
// A process of its own for reading the target's files. libelf and libdw are good, but not proof
// against every file that somebody can craft (a DIE that is its own sibling is an endless loop);
// there they cost a worker that is replaced, not the report and the traced program with it.
//
// Two kinds of processes: the keeper is forked once, early, when no tracing goes on; it forks a
// worker whenever one is asked for. Both are nobody's children to wait for, and end when this
// process does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace kebound::report {

class SymbolProcess {
 public:
  // Runs in the worker, once per request; state it captures begins as it was when start() was
  // called, and is lost when the worker dies.
  using Handler = std::function<std::string(std::string_view request)>;

  // Null if no process can be had. `seconds`: what one request may take before its worker is
  // killed. Context: not while this process traces others, and best before it has threads.
  static std::unique_ptr<SymbolProcess> start(Handler handler, unsigned seconds);
  SymbolProcess(const SymbolProcess&) = delete;
  SymbolProcess& operator=(const SymbolProcess&) = delete;
  ~SymbolProcess();

  // The handler's answer; nothing if the worker died over it. The next call gets a new worker.
  std::optional<std::string> ask(const std::string& request);
  // Counts workers, so that a caller knows when state in the worker is gone.
  [[nodiscard]] unsigned workers_started() const noexcept { return workers_; }
  // A worker for the next ask(); false if none can be had.
  bool ensure_worker();

 private:
  explicit SymbolProcess(int control) : control_(control) {}
  int control_;
  int worker_ = -1;
  unsigned workers_ = 0;
};

}  // namespace kebound::report
