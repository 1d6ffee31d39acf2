// SPDX-License-Identifier: Apache-2.0
//
// Takes bound exceptions from their stop to their end: is it one, ask the callbacks, carry the
// answer out, record it. Tracing thread only, but for the callbacks of --callback-threads.
#pragma once

#include <stdint.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "hosts/supervisor/bound_stop.h"
#include "hosts/supervisor/callback_threads.h"
#include "hosts/supervisor/fiber.h"
#include "hosts/supervisor/processor_follower.h"
#include "hosts/supervisor/supervisor.h"

namespace kebound::supervisor {

class ExceptionDesk {
 public:
  ExceptionDesk(const Options& options, FiberScheduler& scheduler, UserWindow& window);
  ExceptionDesk(const ExceptionDesk&) = delete;
  ExceptionDesk& operator=(const ExceptionDesk&) = delete;
  ~ExceptionDesk();

  // The thread stopped because `signal` is about to be delivered. True when that is a bound
  // exception: the desk then resumes the thread, now or later. False: the stop is the caller's.
  [[nodiscard]] bool take(const std::shared_ptr<Tracee>& tracee, int signal);
  // A stop that is known to be a bound exception: the desk resumes the thread, now or later.
  // Recycled stops come from new_stop() and may be given back.
  void ask(const std::shared_ptr<Tracee>& tracee, std::unique_ptr<BoundStop> stop);
  [[nodiscard]] std::unique_ptr<BoundStop> new_stop();
  void give_back(std::unique_ptr<BoundStop> stop) { spare_.push_back(std::move(stop)); }

  // Carries out what callback threads have answered meanwhile.
  void collect_answers();
  // Exceptions whose callbacks have not answered yet.
  [[nodiscard]] size_t outstanding() const noexcept { return outstanding_; }
  [[nodiscard]] uint64_t exceptions() const noexcept { return exceptions_; }
  // A driver was loaded or unloaded: routine addresses may mean something else now.
  void forget_names() { names_.clear(); }
  // Compares the process's signal state with what it was; reports a handler that the kernel took
  // away.
  void watch_signal_state(Process& process, pid_t tid);

 private:
  static void run_callbacks(BoundStop& stop, nt::Thread& thread);
  static void fiber_task(Fiber& fiber, void* task);
  static void fiber_task_ended(DriverTask& task);

  void finish(std::unique_ptr<BoundStop> stop);
  [[nodiscard]] events::Disposition carry_out(BoundStop& stop, x86::Registers& after,
                                              std::string& reason);
  // Handled: what it takes at a check that a compiler wrote. False: it is refused.
  [[nodiscard]] static bool prepare_resumption(BoundStop& stop, x86::Registers& after,
                                               std::string& reason);
  void capture(BoundStop& stop) const;
  void look_up_rule(BoundStop& stop) const;
  [[nodiscard]] bool is_reported(BoundStop& stop, events::Disposition disposition) const;
  void record(BoundStop& stop, const x86::Registers& after, events::Disposition disposition,
              std::string reason);

  struct CallbackName {
    events::SharedName driver;
    events::SharedName callback;
  };
  [[nodiscard]] const CallbackName& name_of(const nt::CallbackAnswer& answer);

  const Options& options_;
  FiberScheduler& scheduler_;
  ProcessorFollower follower_;
  std::unique_ptr<CallbackThreads> threads_;
  std::vector<std::unique_ptr<BoundStop>> spare_;
  std::unordered_map<void*, CallbackName> names_;
  size_t outstanding_ = 0;
  uint64_t exceptions_ = 0;
};

}  // namespace kebound::supervisor
