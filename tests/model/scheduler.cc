// SPDX-License-Identifier: Apache-2.0
#include "tests/model/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include <cinttypes>
#include <cstdio>
#include <utility>

namespace kebound::model {
namespace {

constexpr size_t kStackSize = 64 * 1024;

uint64_t read_memory(const void* address, size_t size) {
  uint64_t value = 0;
  memcpy(&value, address, size);
  return value;
}

}  // namespace

Scheduler* Scheduler::running_ = nullptr;

Result Scheduler::explore(Scenario& scenario, const Options& options) {
  Result result;
  running_ = this;
  scenario_ = &scenario;
  options_ = options;
  active_threads_ = scenario.threads();
  while (threads_.size() < active_threads_) {
    threads_.push_back(std::make_unique<Fiber>());
    threads_.back()->stack = std::make_unique<unsigned char[]>(kStackSize);
  }
  path_.clear();
  violation_.clear();
  random_ = false;
  do {
    run_once(scenario);
    ++result.executions;
  } while (violation_.empty() && next_path() && result.executions < options.max_executions);
  result.complete = violation_.empty() && path_.empty();
  random_ = true;
  for (uint64_t walk = 0; violation_.empty() && walk < options.random_walks; ++walk) {
    path_.clear();
    run_once(scenario);
    ++result.executions;
  }
  if (!violation_.empty()) {
    result.violation = std::exchange(violation_, std::string());
    random_ = false;
    replay_ = true;
    trace_.clear();
    options_.preemptions = ~0u;  // the path was within its bound, or random
    run_once(scenario);
    replay_ = false;
    result.trace = trace_;
    if (violation_ != result.violation) result.trace += "(the replay went another way)\n";
  }
  running_ = nullptr;
  return result;
}

void Scheduler::run_once(Scenario& scenario) {
  depth_ = 0;
  steps_ = 0;
  preemptions_ = 0;
  current_ = kNobody;
  for (size_t i = 0; i < active_threads_; ++i) {
    Fiber& fiber = *threads_[i];
    fiber.state = State::Ready;
    fiber.buffer.clear();
    fiber.accesses = fiber.sleeps = fiber.barriers = 0;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackSize;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &Scheduler::fiber_main, 0);
  }
  scenario.reset();
  current_ = choose(active_threads_);
  swapcontext(&main_, &threads_[current_]->context);
  current_ = kNobody;
  if (!violation_.empty()) return;
  for (size_t i = 0; i < active_threads_; ++i) drain_all(i);
  scenario.finish();
}

// Depth first: the last choice that has an alternative left takes it. False when none has.
bool Scheduler::next_path() {
  while (!path_.empty() && path_.back().taken + 1 == path_.back().count) path_.pop_back();
  if (path_.empty()) return false;
  ++path_.back().taken;
  return true;
}

void Scheduler::fiber_main() {
  Scheduler& self = *running_;
  self.scenario_->run(self.current_);
  self.threads_[self.current_]->state = State::Ended;
  self.leave_processor();
  abort();  // an ended thread was resumed
}

size_t Scheduler::choose(size_t count) {
  if (count <= 1) return 0;
  if (depth_ == path_.size()) {
    const uint32_t taken = random_ ? static_cast<uint32_t>(generator_() % count) : 0;
    path_.push_back({taken, static_cast<uint32_t>(count)});
  }
  // A scenario that behaves differently on the same path cannot be explored.
  if (path_[depth_].taken >= count) abort();
  return path_[depth_++].taken;
}

bool Scheduler::runnable(size_t thread) const {
  const Fiber& fiber = *threads_[thread];
  return fiber.state == State::Ready || (fiber.state == State::Waiting && fiber.condition());
}

void Scheduler::switch_to(size_t thread) {
  const size_t from = std::exchange(current_, thread);
  threads_[thread]->state = State::Ready;
  swapcontext(&threads_[from]->context, &threads_[thread]->context);
}

void Scheduler::point(const char* what, const void* address, uint64_t value) {
  if (++steps_ > options_.max_steps) fail("does not end");
  ++threads_[current_]->accesses;
  size_t candidates[16];
  size_t count = 0;
  candidates[count++] = current_;
  if (preemptions_ < options_.preemptions || random_) {
    for (size_t i = 0; i < active_threads_; ++i) {
      if (i != current_ && runnable(i)) candidates[count++] = i;
    }
  }
  const size_t next = candidates[choose(count)];
  if (next != current_) {
    ++preemptions_;
    switch_to(next);
  }
  note(what, address, value);
}

void Scheduler::note(const char* what, const void* address, uint64_t value) {
  if (!replay_) return;
  char line[128];
  snprintf(line, sizeof line, "thread %zu: %-8s %p %#" PRIx64 "\n", current_, what, address, value);
  trace_ += line;
}

void Scheduler::leave_processor() {
  size_t candidates[16];
  size_t count = 0;
  bool all_ended = true;
  for (size_t i = 0; i < active_threads_; ++i) {
    if (runnable(i)) candidates[count++] = i;
    if (threads_[i]->state != State::Ended) all_ended = false;
  }
  if (count != 0) {
    switch_to(candidates[choose(count)]);
    return;
  }
  if (!all_ended) fail("deadlock, or a wake-up was lost");
  swapcontext(&threads_[current_]->context, &main_);
}

void Scheduler::fail(const char* what) {
  violation_ = what;
  if (current_ == kNobody) {
    // In finish(): nothing to abandon; run_once() returns to explore() the ordinary way.
    current_ = 0;
  }
  setcontext(&main_);
  abort();
}

void Scheduler::write(const BufferedStore& store) {
  memcpy(store.address, &store.value, store.size);
}

void Scheduler::drain(size_t thread, size_t count) {
  std::vector<BufferedStore>& buffer = threads_[thread]->buffer;
  for (size_t i = 0; i < count; ++i) write(buffer[i]);
  buffer.erase(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(count));
}

void Scheduler::let_stores_arrive(const void* address) {
  for (size_t i = 0; i < active_threads_; ++i) {
    if (i == current_) continue;
    size_t ends[64];
    size_t count = 0;
    ends[count++] = 0;
    const std::vector<BufferedStore>& buffer = threads_[i]->buffer;
    for (size_t k = 0; k < buffer.size() && count < 64; ++k) {
      if (buffer[k].address == address) ends[count++] = k + 1;
    }
    drain(i, ends[choose(count)]);
  }
}

uint64_t Scheduler::load(const void* address, size_t size) {
  if (current_ == kNobody) return read_memory(address, size);
  point("load", address, 0);
  const std::vector<BufferedStore>& own = threads_[current_]->buffer;
  for (size_t k = own.size(); k-- > 0;) {
    if (own[k].address == address) return own[k].value;
  }
  let_stores_arrive(address);
  const uint64_t value = read_memory(address, size);
  note("  =", address, value);
  return value;
}

void Scheduler::store(void* address, size_t size, uint64_t value, bool drain_after) {
  if (current_ == kNobody) return write({address, size, value});
  point(drain_after ? "xchg" : "store", address, value);
  threads_[current_]->buffer.push_back({address, size, value});
  if (drain_after) {
    let_stores_arrive(address);
    drain_all(current_);
  }
}

uint64_t Scheduler::modify(void* address, size_t size,
                           const std::function<uint64_t(uint64_t)>& change) {
  if (current_ != kNobody) {
    point("modify", address, 0);
    drain_all(current_);
    let_stores_arrive(address);
  }
  const uint64_t before = read_memory(address, size);
  write({address, size, change(before)});
  if (current_ != kNobody) note("  =", address, change(before));
  return before;
}

// The processors are interrupted one after the other, not all at one instant.
void Scheduler::heavy_barrier() {
  point("barrier", nullptr, 0);
  drain_all(current_);
  for (size_t i = 0; i < active_threads_; ++i) {
    if (i == current_ || threads_[i]->buffer.empty()) continue;
    point("barrier", nullptr, i);
    drain_all(i);
  }
}

// As futex(2): the comparison and falling asleep are one step, under a lock of the kernel's.
void Scheduler::futex_wait(const void* address, size_t size, uint64_t value) {
  point("wait", address, value);
  drain_all(current_);
  let_stores_arrive(address);
  if (read_memory(address, size) != value) return;
  Fiber& self = *threads_[current_];
  self.state = State::Asleep;
  self.asleep_on = address;
  ++self.sleeps;
  leave_processor();
}

void Scheduler::futex_wake(const void* address) {
  point("wake", address, 0);
  drain_all(current_);
  for (size_t i = 0; i < active_threads_; ++i) {
    Fiber& fiber = *threads_[i];
    if (fiber.state == State::Asleep && fiber.asleep_on == address) fiber.state = State::Ready;
  }
}

void Scheduler::block_until(std::function<bool()> condition) {
  if (condition()) return;
  Fiber& self = *threads_[current_];
  self.condition = std::move(condition);
  self.state = State::Waiting;
  leave_processor();
}

}  // namespace kebound::model
