// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/fiber.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <new>

#include "hosts/supervisor/target_memory.h"
#include "nt/facility.h"

namespace kebound::supervisor {
namespace {

thread_local Fiber* running_fiber = nullptr;

}  // namespace

int64_t monotonic_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Fiber::Fiber(FiberScheduler& scheduler) : scheduler_(scheduler), context_{} {
  const size_t size = kStackSize + kPageSize;
  stack_ =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack_ == MAP_FAILED) throw std::bad_alloc();
  mprotect(stack_, kPageSize, PROT_NONE);
  getcontext(&context_);
  context_.uc_stack.ss_sp = static_cast<char*>(stack_) + kPageSize;
  context_.uc_stack.ss_size = kStackSize;
  context_.uc_link = nullptr;
  const auto address = reinterpret_cast<uint64_t>(this);
  makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::entry), 2,
              static_cast<unsigned>(address >> 32), static_cast<unsigned>(address));
  thread_.parker = this;
  nt::Facility::attach(thread_);
}

bool Fiber::is_guard_page(uint64_t address) const noexcept {
  return page_of(address) == reinterpret_cast<uint64_t>(stack_);
}

// One task after the other: the context is made once, and a task that does not wait costs two
// switches.
void Fiber::entry(unsigned high, unsigned low) {
  auto* const fiber = reinterpret_cast<Fiber*>(uint64_t{high} << 32 | low);
  for (;;) {
    fiber->task_(*fiber, fiber->owner_);
    {
      const std::scoped_lock lock(fiber->scheduler_.mutex_);
      fiber->state_ = State::Idle;
      fiber->token_ = false;
    }
    swapcontext(&fiber->context_, &fiber->scheduler_.main_);
  }
}

void Fiber::park(int64_t deadline_ns) noexcept {
  {
    const std::scoped_lock lock(scheduler_.mutex_);
    if (token_) {
      token_ = false;
      return;
    }
    state_ = State::Parked;
    deadline_ns_ = deadline_ns;
  }
  // An unpark() from another thread may come here already: it only queues the fiber, which this
  // thread takes up after the switch.
  ++scheduler_.parked_;
  swapcontext(&context_, &scheduler_.main_);
  --scheduler_.parked_;
}

void Fiber::unpark() noexcept {
  {
    const std::scoped_lock lock(scheduler_.mutex_);
    if (state_ != State::Parked) {
      if (state_ != State::Idle) token_ = true;
      return;
    }
    state_ = State::Ready;
    scheduler_.ready_.push_back(this);
  }
  scheduler_.hooks_.wake();
}

FiberScheduler::FiberScheduler(const Hooks& hooks) : hooks_(hooks), main_{} {}

Fiber* FiberScheduler::current() noexcept { return running_fiber; }

void FiberScheduler::start(void (*task)(Fiber&, void*), void* owner) {
  if (idle_.empty()) {
    fibers_.push_back(std::unique_ptr<Fiber>(new Fiber(*this)));
    idle_.push_back(fibers_.back().get());
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  fiber->task_ = task;
  fiber->owner_ = owner;
  switch_to(*fiber);
}

void FiberScheduler::switch_to(Fiber& fiber) {
  {
    const std::scoped_lock lock(mutex_);
    fiber.state_ = Fiber::State::Running;
  }
  void* const owner = fiber.owner_;
  hooks_.resumed(owner);
  running_fiber = &fiber;
  nt::enter_thread(&fiber.thread_);
  swapcontext(&main_, &fiber.context_);
  nt::enter_thread(nullptr);
  running_fiber = nullptr;
  bool ended = false;
  {
    const std::scoped_lock lock(mutex_);
    ended = fiber.state_ == Fiber::State::Idle;
  }
  if (ended) idle_.push_back(&fiber);
  hooks_.left(owner, ended);
}

void FiberScheduler::run_ready() {
  for (;;) {
    Fiber* next = nullptr;
    {
      const std::scoped_lock lock(mutex_);
      if (ready_.empty() && parked_ != 0) {
        const int64_t now = monotonic_ns();
        for (const auto& fiber : fibers_) {
          if (fiber->state_ == Fiber::State::Parked && fiber->deadline_ns_ <= now) {
            fiber->state_ = Fiber::State::Ready;
            ready_.push_back(fiber.get());
          }
        }
      }
      if (ready_.empty()) return;
      next = ready_.front();
      ready_.erase(ready_.begin());
    }
    switch_to(*next);
  }
}

void FiberScheduler::abandon_current() noexcept {
  // The state stays Running: the fiber is never idle again.
  setcontext(&main_);
  abort();  // setcontext() returns only when the context is corrupt
}

int64_t FiberScheduler::next_deadline() const {
  const std::scoped_lock lock(mutex_);
  if (!ready_.empty()) return 0;
  int64_t earliest = INT64_MAX;
  for (const auto& fiber : fibers_) {
    if (fiber->state_ == Fiber::State::Parked) earliest = std::min(earliest, fiber->deadline_ns_);
  }
  return earliest;
}

std::vector<void*> FiberScheduler::parked_owners() const {
  std::vector<void*> owners;
  const std::scoped_lock lock(mutex_);
  for (const auto& fiber : fibers_) {
    if (fiber->state_ == Fiber::State::Parked) owners.push_back(fiber->owner_);
  }
  return owners;
}

}  // namespace kebound::supervisor
