// SPDX-License-Identifier: Apache-2.0
#include "hosts/fake/fake_host.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <condition_variable>
#include <stdexcept>
#include <thread>

#include "nt/host_thread.h"
#include "nt/trap_frame.h"

namespace kebound::fake {

namespace {

// Never faults, whatever the address: the kernel copies.
size_t read_own_memory(void* /*self*/, uint64_t address, void* buffer, size_t size) noexcept {
  iovec local = {buffer, size};
  iovec remote = {reinterpret_cast<void*>(address), size};
  const ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
  return got > 0 ? static_cast<size_t>(got) : 0;
}

constexpr MemoryReader kOwnMemory = {nullptr, read_own_memory};

}  // namespace

struct FakeHost::ProgramThread {
  unsigned number = 0;
  nt::HostThread* nt = nullptr;
  LivelockGuard<x86::Registers> livelock;
  std::thread host_thread;
  // Under the state's mutex.
  bool requested = false;
  bool finished = false;
  x86::Registers request;
  Outcome outcome;
};

// Lives on when the host died: threads that will never run again still refer to it.
struct FakeHost::State {
  mutable std::mutex mutex;
  std::condition_variable changed;
  bool closing = false;
  bool dead = false;
  uint64_t deaths = 0;  // of the program's process
  std::vector<std::unique_ptr<ProgramThread>> threads;
  std::vector<nt::Violation> violations;
  std::string output;
  std::optional<nt::BugCheck> bug_check;
};

FakeHost::FakeHost(const Options& options) : options_(options), state_(std::make_unique<State>()) {
  // Code, data and a page that is then taken away again, so that unmapped_address() stays unmapped.
  void* const memory = mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory below 2 GiB for the fake program");
  mprotect(static_cast<char*>(memory) + 2 * kPage, kPage, PROT_NONE);
  code_ = reinterpret_cast<uint64_t>(memory);
  data_ = code_ + kPage;
  static constexpr uint8_t kBound[] = {0x62, 0x02, 0x90};  // bound %eax, (%edx); nop
  memcpy(memory, kBound, sizeof kBound);

  nt::Facility::configure(options.profile, 0x4b42);
  nt::set_host(this);
  for (unsigned i = 0; i < options.threads; ++i) {
    auto thread = std::make_unique<ProgramThread>();
    thread->number = i;
    thread->nt = new nt::HostThread(kProcessId, kProcessId + 1 + i);
    state_->threads.push_back(std::move(thread));
  }
  for (auto& thread : state_->threads) {
    thread->host_thread = std::thread([this, &thread = *thread] {
      thread.nt->enter();
      State& state = *state_;
      std::unique_lock lock(state.mutex);
      for (;;) {
        state.changed.wait(lock, [&] { return state.closing || thread.requested; });
        if (state.closing) return;
        thread.requested = false;
        const x86::Registers request = thread.request;
        lock.unlock();
        Outcome outcome = run(thread, request);
        lock.lock();
        thread.outcome = std::move(outcome);
        thread.finished = true;
        state.changed.notify_all();
      }
    });
  }
}

FakeHost::~FakeHost() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->closing = true;
    state_->changed.notify_all();
  }
  if (state_->dead) {
    // Who raised the bug check, and who runs driver code of a dead host, never comes back.
    for (auto& thread : state_->threads) thread->host_thread.detach();
    static_cast<void>(state_.release());
    return;
  }
  for (auto& thread : state_->threads) thread->host_thread.join();
  munmap(reinterpret_cast<void*>(code_), 3 * kPage);
}

bool FakeHost::run_driver_code(void (*fn)(void*), void* argument) {
  State& state = *state_;
  return nt::run_on_thread_of_its_own(state.mutex, state.changed, state.dead, fn, argument);
}

void FakeHost::start(unsigned number, const x86::Registers& registers) {
  ProgramThread& thread = *state_->threads.at(number);
  if (nt::current_thread() == &thread.nt->thread) {
    Outcome outcome = run(thread, registers);
    const std::lock_guard lock(state_->mutex);
    thread.outcome = std::move(outcome);
    thread.finished = true;
    return;
  }
  const std::lock_guard lock(state_->mutex);
  thread.request = registers;
  thread.requested = true;
  thread.finished = false;
  state_->changed.notify_all();
}

Outcome FakeHost::wait(unsigned number) {
  ProgramThread& thread = *state_->threads.at(number);
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return thread.finished || state_->dead; });
  if (!thread.finished) return Outcome{};
  thread.finished = false;
  return thread.outcome;
}

// The processor: runs the BOUND until it passes, goes elsewhere, or is not kebound's to handle.
Outcome FakeHost::run(ProgramThread& thread, x86::Registers registers) {
  Outcome outcome;
  uint64_t deaths;
  {
    const std::lock_guard lock(state_->mutex);
    deaths = state_->deaths;
  }
  for (;;) {
    outcome.registers = registers;
    if (registers.rip != code_) {
      outcome.ending = Outcome::Ending::Resumed;
      return outcome;
    }
    BoundEvent event;
    outcome.verdict = x86::evaluate_bound(registers, kOwnMemory, event);
    if (outcome.verdict == x86::BoundVerdict::InRange) {
      registers.rip += 2;
      continue;
    }
    if (outcome.verdict != x86::BoundVerdict::Exceeded) {
      outcome.ending = Outcome::Ending::Propagated;
      return outcome;
    }
    const auto terminate = [&] {
      const std::lock_guard lock(state_->mutex);
      ++state_->deaths;
      outcome.ending = Outcome::Ending::Terminated;
    };
    ++outcome.exceptions;
    KTRAP_FRAME frame{};
    nt::fill_trap_frame(registers, frame);
    const DispatchOutcome dispatched =
        nt::Facility::dispatch(thread.nt->thread, event, frame, nullptr);
    {
      // The process may have ended on another thread while a callback ran on this one.
      const std::lock_guard lock(state_->mutex);
      if (state_->deaths != deaths) {
        outcome.ending = Outcome::Ending::Terminated;
        return outcome;
      }
    }
    switch (dispatched.verdict) {
      case Verdict::Handled: {
        const x86::Registers fault = registers;
        nt::apply_trap_frame(frame, registers);
        if (!thread.livelock.observe(fault, registers, options_.livelock_limit)) break;
        outcome.reason = "livelock: the same exception " + std::to_string(options_.livelock_limit) +
                         " times in a row";
        terminate();
        return outcome;
      }
      case Verdict::NotHandled:
        thread.livelock.forget();
        // The original frame, but for edits that leak in the windows profile.
        nt::apply_trap_frame(frame, registers);
        outcome.registers = registers;
        outcome.ending = Outcome::Ending::Propagated;
        return outcome;
      case Verdict::Error:
      case Verdict::InvalidAnswer:  // does not get here: dispatch() raises the bug check
        terminate();
        return outcome;
    }
  }
}

void FakeHost::set_bounds(unsigned thread, int32_t lower, int32_t upper) noexcept {
  const int32_t pair[2] = {lower, upper};
  memcpy(reinterpret_cast<void*>(bounds_address(thread)), pair, sizeof pair);
}

x86::Registers FakeHost::registers_at_bound(unsigned thread, int32_t index) const noexcept {
  x86::Registers registers;
  registers.gpr[x86::Rax] = static_cast<uint32_t>(index);
  registers.gpr[x86::Rdx] = bounds_address(thread);
  registers.gpr[x86::Rsp] = data_ + kPage - 256;
  registers.rip = code_;
  registers.rflags = 0x202;
  registers.cs = 0x23;
  registers.ss = registers.ds = registers.es = 0x2b;
  return registers;
}

std::vector<nt::Violation> FakeHost::violations() const {
  const std::lock_guard lock(state_->mutex);
  return state_->violations;
}

std::string FakeHost::output() const {
  const std::lock_guard lock(state_->mutex);
  return state_->output;
}

std::optional<nt::BugCheck> FakeHost::bug_check_record() const {
  const std::lock_guard lock(state_->mutex);
  return state_->bug_check;
}

void FakeHost::debug_output(const nt::DebugOutput& output) {
  const std::lock_guard lock(state_->mutex);
  state_->output += output.text;
}

void FakeHost::violation(const nt::Violation& violation) {
  const std::lock_guard lock(state_->mutex);
  state_->violations.push_back(violation);
}

void FakeHost::bug_check(const nt::BugCheck& bug_check) {
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->bug_check) state_->bug_check = bug_check;
    state_->dead = true;
    state_->changed.notify_all();
  }
  for (;;) pause();
}

}  // namespace kebound::fake
