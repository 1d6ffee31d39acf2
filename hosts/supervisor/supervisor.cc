// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/supervisor.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <mutex>
#include <optional>
#include <system_error>

#include "hosts/supervisor/driver_fault.h"
#include "hosts/supervisor/fiber.h"
#include "hosts/supervisor/tracer.h"
#include "hosts/supervisor/tracing_thread.h"
#include "hosts/supervisor/user_window.h"
#include "nt/facility.h"
#include "nt/host.h"

namespace kebound::supervisor {
namespace {

// The target thread on whose behalf the caller runs.
template <class RecordType>
void name_thread(RecordType& record) noexcept {
  if (const nt::Thread* const thread = nt::current_thread(); thread != nullptr) {
    record.pid = static_cast<int32_t>(thread->client_pid);
    record.tid = static_cast<int32_t>(thread->client_tid);
  }
}

// The supervisor as the NT face sees it.
class SupervisorHost final : public nt::Host {
 public:
  explicit SupervisorHost(events::Sink* sink) : sink_(sink) {}

  void debug_output(const nt::DebugOutput& output) override {
    if (sink_ == nullptr) return;
    events::DriverOutput record;
    record.time_ns = events::realtime_ns();
    name_thread(record);
    record.driver = output.driver;
    record.component = output.component;
    record.level = output.level;
    record.text = output.text;
    sink_->accept(std::move(record));
  }

  void violation(const nt::Violation& violation) override {
    if (sink_ == nullptr) return;
    events::VerifierRecord record;
    record.time_ns = events::realtime_ns();
    name_thread(record);
    record.rule = violation.rule;
    record.driver = violation.driver;
    record.callback = violation.callback;
    record.message = violation.message;
    sink_->accept(std::move(record));
  }

  // The first one counts. The fiber that raised it is left where it stands; so is any other thread.
  [[noreturn]] void bug_check(const nt::BugCheck& bug_check) override {
    {
      const std::scoped_lock lock(mutex_);
      if (!first_.has_value()) first_ = bug_check;
    }
    raised_ = true;
    if (Fiber* const fiber = FiberScheduler::current(); fiber != nullptr)
      scheduler->abandon_current();
    // The tracing thread may be about to sleep in waitpid(), for as long as no target stops.
    constexpr timespec kAgain{.tv_sec = 0, .tv_nsec = 5'000'000};
    for (;;) {
      wake_tracing_thread();
      interrupt_tracing_thread();
      nanosleep(&kAgain, nullptr);
    }
  }

  bool address_valid(uint64_t address) override {
    // Paging it in is how a driver would read it.
    if (UserWindow::inside() && window->page_in(address, false) == UserWindow::PageIn::Done)
      return true;
    return nt::Host::address_valid(address);
  }

  [[nodiscard]] bool raised() const noexcept { return raised_; }

  // Tells the world, once.
  void report_bug_check() {
    const std::scoped_lock lock(mutex_);
    alarm(0);  // the fault handler got us here (driver_fault.cc)
    if (!first_.has_value() || reported_ || sink_ == nullptr) return;
    reported_ = true;
    events::BugCheckRecord record;
    record.time_ns = events::realtime_ns();
    record.pid = static_cast<int32_t>(first_->pid);
    record.tid = static_cast<int32_t>(first_->tid);
    record.code = first_->code;
    for (size_t i = 0; i < 4; ++i) record.parameters[i] = first_->parameters[i];
    record.driver = first_->driver;
    record.callback = first_->callback;
    record.explanation = first_->explanation;
    sink_->accept(std::move(record));
  }

  FiberScheduler* scheduler = nullptr;
  UserWindow* window = nullptr;

 private:
  events::Sink* sink_;
  std::mutex mutex_;
  std::optional<nt::BugCheck> first_;
  bool reported_ = false;
  std::atomic<bool> raised_{false};
};

// What the fiber hooks and interrupted() need; there is one supervisor in a process.
SupervisorHost* the_host = nullptr;
UserWindow* the_window = nullptr;

void fiber_resumed(void* owner) {
  const auto* const task = static_cast<const DriverTask*>(owner);
  if (task->space != nullptr) the_window->enter(*task->space);
}

void fiber_left(void* owner, bool ended) {
  auto* const task = static_cast<DriverTask*>(owner);
  if (task->space != nullptr && !the_window->leave()) {
    the_host->violation({"user-memory-lost", "", "",
                         fmt::format("memory of process {} that a driver changed could not be "
                                     "written back: the program has "
                                     "unmapped or protected it meanwhile",
                                     task->space->pid)});
  }
  if (ended && task->ended != nullptr) task->ended(*task);
}

bool interrupted() noexcept { return the_host->raised(); }

struct DriverCode : DriverTask {
  void (*fn)(void*) = nullptr;
  void* argument = nullptr;
  bool done = false;
};

}  // namespace

struct Supervisor::State {
  explicit State(const Options& given)
      : options(given),
        host(given.sink),
        scheduler({fiber_resumed, fiber_left, wake_tracing_thread}),
        desk(options, scheduler, window),
        tracer(options, scheduler, desk, interrupted) {
    the_host = &host;
    the_window = &window;
    host.scheduler = &scheduler;
    host.window = &window;
  }

  Outcome conclude(Outcome outcome) {
    if (host.raised()) {
      host.report_bug_check();
      tracer.terminate_all();
      outcome.kind = Outcome::Kind::BugCheck;
    }
    outcome.exceptions = desk.exceptions();
    return outcome;
  }

  Options options;
  SupervisorHost host;
  UserWindow window;
  FiberScheduler scheduler;
  ExceptionDesk desk;
  Tracer tracer;
  ScopedAlternateStack alternate_stack;
};

Supervisor::Supervisor(const Options& options) {
  become_tracing_thread();
  nt::adopt_host_thread();
  state_ = std::make_unique<State>(options);
  nt::set_host(&state_->host);
  install_driver_fault_handlers(state_->window);
  if (options.pin == Options::Pin::Fixed && !ProcessorFollower::pin_to(options.pin_cpu)) {
    throw std::system_error(errno, std::generic_category(),
                            fmt::format("processor {}", options.pin_cpu));
  }
}

Supervisor::~Supervisor() = default;

bool Supervisor::run_driver_code(void (*fn)(void*), void* argument) {
  State& state = *state_;
  if (state.host.raised() || state.tracer.abandoned_callbacks()) return false;
  state.desk.forget_names();
  // Left allocated if a bug check leaves the fiber behind: its stack still refers to it.
  auto* const code = new DriverCode;
  code->fn = fn;
  code->argument = argument;
  state.scheduler.start(
      [](Fiber&, void* owner) {
        auto* const task = static_cast<DriverCode*>(static_cast<DriverTask*>(owner));
        task->fn(task->argument);
        task->done = true;
      },
      static_cast<DriverTask*>(code));
  while (!code->done && !state.host.raised()) {
    const int64_t deadline = state.scheduler.next_deadline();
    if (deadline != 0) sleep_until(deadline);
    state.scheduler.run_ready();
  }
  if (state.host.raised()) {
    state.host.report_bug_check();
    return false;
  }
  delete code;
  return true;
}

bool Supervisor::bug_check_raised() const noexcept { return state_->host.raised(); }

Outcome Supervisor::run(const LaunchSpec& spec) {
  const posix::ScopedTerminalSignals terminal_signals;
  return state_->conclude(state_->tracer.run(spec));
}

Outcome Supervisor::attach(pid_t pid) { return state_->conclude(state_->tracer.attach(pid)); }

void Supervisor::request_stop() noexcept { state_->tracer.request_stop(); }

}  // namespace kebound::supervisor
