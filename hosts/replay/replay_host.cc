// SPDX-License-Identifier: Apache-2.0
#include "hosts/replay/replay_host.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "nt/host_thread.h"
#include "nt/thread.h"
#include "nt/trap_frame.h"
#include "trap/x86/resume.h"

namespace kebound::replay {
namespace {

events::SharedName shared(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

// What the supervisor would do with this answer.
void carry_out(const events::BoundException& recorded, const DispatchOutcome& outcome,
               const nt::Thread& thread, x86::Registers edited, Replayed& result) {
  using events::Disposition;
  result.after = recorded.before;
  switch (outcome.verdict) {
    case Verdict::NotHandled:
      result.after = edited;  // the windows profile lets edits leak
      result.disposition = Disposition::Propagated;
      return;
    case Verdict::Error:
    case Verdict::InvalidAnswer:  // does not get here: dispatch() raises the bug check
      result.disposition = Disposition::Terminated;
      return;
    case Verdict::Handled:
      break;
  }
  // The places of the index are not in the record: its register stands for them.
  x86::Recovery recovery;
  recovery.resume_ip = recorded.event.ip;
  const int64_t* const corrected = thread.corrected_index ? &*thread.corrected_index : nullptr;
  const auto plan =
      x86::plan_resumption(recorded.event, recovery, recorded.before, corrected, edited);
  if (plan.verdict != x86::Resumption::Resume) {
    result.disposition = Disposition::Propagated;
    result.reason = x86::resumption_text(plan.verdict);
    return;
  }
  result.after = edited;
  result.disposition = Disposition::Handled;
}

}  // namespace

struct ReplayHost::Worker {
  nt::HostThread* nt = nullptr;
  std::thread thread;
  // Under the state's mutex.
  const events::BoundException* request = nullptr;
  bool finished = false;
  bool given_up = false;
  bool needs_memory = false;
  Replayed result;
};

struct ReplayHost::State {
  mutable std::mutex mutex;
  std::condition_variable changed;
  bool closing = false;
  bool dead = false;
  bool driver_left = false;
  nt::BugCheck bug_check;
  std::vector<events::Record> records;
  std::shared_ptr<Worker> worker;
};

ReplayHost::ReplayHost(const Options& options) : options_(options), state_(new State) {
  nt::Facility::configure(options.profile, static_cast<uint16_t>(getpid() | 1));
  nt::set_host(this);
  install_fault_handlers(*this);
}

ReplayHost::~ReplayHost() {
  std::shared_ptr<Worker> worker;
  {
    const std::lock_guard lock(state_->mutex);
    state_->closing = true;
    worker = std::move(state_->worker);
    state_->changed.notify_all();
  }
  if (worker && worker->thread.joinable()) worker->thread.join();
  if (!state_->driver_left && !state_->dead) delete state_;
}

bool ReplayHost::run_driver_code(void (*fn)(void*), void* argument) {
  State& state = *state_;
  return nt::run_on_thread_of_its_own(state.mutex, state.changed, state.dead, fn, argument);
}

void ReplayHost::serve(State& state, Worker& worker) {
  worker.nt->enter();
  std::unique_lock lock(state.mutex);
  for (;;) {
    state.changed.wait(lock, [&] { return state.closing || worker.given_up || worker.request; });
    if (worker.request == nullptr) return;
    // A copy: whoever gives this thread up does not keep the record for it.
    const events::BoundException recorded = *worker.request;
    worker.request = nullptr;
    lock.unlock();
    nt::Thread& thread = worker.nt->thread;
    thread.client_pid = static_cast<uint64_t>(recorded.pid);
    thread.client_tid = static_cast<uint64_t>(recorded.tid);
    thread.corrected_index.reset();
    KTRAP_FRAME frame{};
    nt::fill_trap_frame(recorded.before, frame);
    nt::AnswerLog log;
    const DispatchOutcome outcome = nt::Facility::dispatch(thread, recorded.event, frame, &log);
    x86::Registers edited = recorded.before;
    nt::apply_trap_frame(frame, edited);
    Replayed result;
    result.kind = Replayed::Kind::Answered;
    for (size_t i = 0; i < log.count; ++i) {
      const auto& entry = log.entries[i];
      result.answers.push_back(
          {entry.image != nullptr ? shared(entry.image->name) : nullptr,
           shared(nt::Facility::describe(reinterpret_cast<uint64_t>(entry.routine))), entry.status,
           entry.edited});
    }
    carry_out(recorded, outcome, thread, edited, result);
    lock.lock();
    if (worker.given_up) return;
    worker.result = std::move(result);
    worker.finished = true;
    state.changed.notify_all();
  }
}

void ReplayHost::ensure_worker() {
  if (state_->worker) return;
  auto worker = std::make_shared<Worker>();
  worker->nt = new nt::HostThread;
  worker->thread = std::thread([state = state_, worker] { serve(*state, *worker); });
  state_->worker = std::move(worker);
}

Replayed ReplayHost::present(const events::BoundException& recorded) {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (state.dead) return {};
  ensure_worker();
  const std::shared_ptr<Worker> worker = state.worker;
  set_known_memory(recorded);
  worker->request = &recorded;
  worker->finished = false;
  state.changed.notify_all();
  state.changed.wait_for(lock, std::chrono::seconds(options_.seconds),
                         [&] { return worker->finished || worker->given_up || state.dead; });
  if (worker->finished) return worker->result;
  if (state.dead) return {};
  Replayed result;
  result.kind = worker->needs_memory ? Replayed::Kind::NeedsMemory : Replayed::Kind::NoAnswer;
  result.why = worker->given_up ? worker->result.why
                                : "no answer within " + std::to_string(options_.seconds) + " s";
  worker->given_up = true;
  worker->thread.detach();
  state.driver_left = true;
  state.worker = nullptr;
  return result;
}

void ReplayHost::give_up(const std::string& why, bool is_memory) {
  {
    const std::lock_guard lock(state_->mutex);
    const auto& worker = state_->worker;
    if (worker && nt::current_thread() == &worker->nt->thread && is_memory) {
      worker->given_up = true;
      worker->needs_memory = true;
      worker->result.why = why;
      state_->changed.notify_all();
    } else {
      // DriverEntry, a driver's own thread, or an error that memory would not have prevented.
      if (!state_->dead) {
        state_->bug_check.code = static_cast<uint32_t>(nt::BugCheckCode::KmodeExceptionNotHandled);
        state_->bug_check.explanation = why;
      }
      state_->dead = true;
      state_->changed.notify_all();
    }
  }
  for (;;) pause();
}

bool ReplayHost::driver_left() const {
  const std::lock_guard lock(state_->mutex);
  return state_->driver_left;
}

bool ReplayHost::dead() const {
  const std::lock_guard lock(state_->mutex);
  return state_->dead;
}

nt::BugCheck ReplayHost::bug_check_record() const {
  const std::lock_guard lock(state_->mutex);
  return state_->bug_check;
}

std::vector<events::Record> ReplayHost::take_records() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->records, {});
}

void ReplayHost::debug_output(const nt::DebugOutput& output) {
  const std::lock_guard lock(state_->mutex);
  state_->records.emplace_back(events::DriverOutput{events::realtime_ns(), 0, 0,
                                                    std::string(output.driver), output.component,
                                                    output.level, std::string(output.text)});
}

void ReplayHost::violation(const nt::Violation& violation) {
  const std::lock_guard lock(state_->mutex);
  state_->records.emplace_back(events::VerifierRecord{events::realtime_ns(), 0, 0, violation.rule,
                                                      violation.driver, violation.callback,
                                                      violation.message, 0});
}

void ReplayHost::bug_check(const nt::BugCheck& bug_check) {
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->dead) state_->bug_check = bug_check;
    state_->dead = true;
    state_->changed.notify_all();
  }
  for (;;) pause();
}

bool ReplayHost::address_valid(uint64_t address) {
  if (is_known_memory(address)) return true;
  // Nothing else of the user's is there; what is, is the driver's and ours.
  constexpr uint64_t kUserOf32Bits = uint64_t{1} << 32;
  return address >= kUserOf32Bits && nt::Host::address_valid(address);
}

}  // namespace kebound::replay
