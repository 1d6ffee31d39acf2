// SPDX-License-Identifier: Apache-2.0
//
// All waitpid() traffic: follows every thread, fork and exec, passes signals and group stops on
// untouched, gives the stops that may be bound exceptions to the desk.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <optional>
#include <unordered_map>

#include "hosts/posix/launch.h"
#include "hosts/supervisor/call_watch.h"
#include "hosts/supervisor/exception_desk.h"
#include "hosts/supervisor/tracee.h"
#include "hosts/supervisor/wait_status.h"

namespace kebound::supervisor {

class Tracer {
 public:
  // `interrupted` is asked between two stops: true ends run()/attach() at once (bug check).
  Tracer(const Options& options, FiberScheduler& scheduler, ExceptionDesk& desk,
         bool (*interrupted)() noexcept);
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  [[nodiscard]] Outcome run(const LaunchSpec& spec);
  [[nodiscard]] Outcome attach(pid_t pid);
  // Kills every target and waits until they are gone.
  void terminate_all();
  // Context: any thread, signal handlers too.
  void request_stop() noexcept;
  // Callbacks still wait although every target is gone; they were given up.
  [[nodiscard]] bool abandoned_callbacks() const noexcept { return abandoned_callbacks_; }

 private:
  // How long callbacks may go on after the last target is gone. On NT a thread that waits in the
  // kernel keeps its process from going away for ever; here the host has to come to an end.
  static constexpr int64_t kCallbackGraceNs = 10'000'000'000;

  void loop();
  void step();
  void on_status(pid_t tid, WaitStatus status);
  void on_event(const std::shared_ptr<Tracee>& tracee, WaitStatus status);
  void on_exec(const std::shared_ptr<Tracee>& tracee);
  void on_new_child(const std::shared_ptr<Tracee>& parent, bool is_process);
  void on_end(const std::shared_ptr<Tracee>& tracee, WaitStatus status);
  std::shared_ptr<Tracee> add_tracee(pid_t tid, std::shared_ptr<Process> process);
  std::shared_ptr<Tracee> find_or_adopt(pid_t tid);
  std::shared_ptr<Process> add_process(pid_t pid, const Process* forked_from);
  void enter_program(Tracee& tracee);
  [[nodiscard]] bool take_call(const std::shared_ptr<Tracee>& tracee);
  void forget(const std::shared_ptr<Tracee>& tracee);
  void detach_all();
  [[nodiscard]] bool seize_all_threads(pid_t pid, Outcome& failure);
  [[nodiscard]] bool callbacks_pending() const;
  void give_up_callbacks();
  void emit(events::Record&& record);

  const Options& options_;
  FiberScheduler& scheduler_;
  ExceptionDesk& desk_;
  CallWatch calls_;
  bool (*interrupted_)() noexcept;
  std::unordered_map<pid_t, std::shared_ptr<Tracee>> tracees_;
  std::unordered_map<pid_t, std::weak_ptr<Process>> processes_;
  uint64_t last_space_id_ = 0;
  std::atomic<pid_t> first_pid_{0};
  bool program_started_ = false;
  bool attached_ = false;
  bool detaching_ = false;
  bool abandoned_callbacks_ = false;
  int64_t alone_since_ns_ = 0;  // when the last target went while callbacks were pending; 0: not so
  std::atomic<bool> stop_requested_{false};
  std::optional<Outcome> outcome_;
};

}  // namespace kebound::supervisor
