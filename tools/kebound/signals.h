// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kebound::tool {

// While one lives: SIGINT and SIGQUIT are the target's business (the terminal sends them to both),
// SIGTERM and SIGHUP end the run, and a report into a closed pipe is an error instead of a death.
// Only handlers are set, never SIG_IGN: exec resets handlers, so the target starts with what
// kebound was started with. Context: one at a time, on the main thread; the host must outlive it.
class ScopedSignals {
 public:
  // `host.request_stop()` is called in signal handlers.
  template <class Host>
  explicit ScopedSignals(Host& host)
      : ScopedSignals(&host,
                      [](void* object) noexcept { static_cast<Host*>(object)->request_stop(); }) {}
  ScopedSignals(const ScopedSignals&) = delete;
  ScopedSignals& operator=(const ScopedSignals&) = delete;
  // SIGTERM and SIGHUP no longer reach the host. The handlers stay: the report is still being
  // written.
  ~ScopedSignals();

 private:
  using Stop = void (*)(void* host) noexcept;
  ScopedSignals(void* host, Stop stop);
};

}  // namespace kebound::tool
