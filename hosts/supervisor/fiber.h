// SPDX-License-Identifier: Apache-2.0
//
// Driver code on the tracing thread. ptrace requests work only from the thread that seized the
// target, and a callback may block: so callbacks run on fibers of the tracing thread, and a wait
// inside the NT face parks the fiber while the thread goes on with other stops. A callback that
// does not wait costs two context switches.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include <memory>
#include <mutex>
#include <vector>

#include "nt/thread.h"

namespace kebound::supervisor {

class FiberScheduler;

// One stack and one NT thread, used for one task after the other. Never freed once its NT thread is
// attached to the facility (nt/facility.h).
class Fiber final : public nt::Parker {
 public:
  // Driver code gets what a Windows kernel stack has and room for the C library's formatting on
  // top.
  static constexpr size_t kStackSize = 128 * 1024;

  nt::Thread& thread() noexcept { return thread_; }
  // What the task belongs to, for the scheduler's hook; owned by whoever started it.
  void* owner() const noexcept { return owner_; }
  // True for an address on the page below the stack.
  bool is_guard_page(uint64_t address) const noexcept;

  // Context: this fiber. nt::Parker.
  void park(int64_t deadline_ns) noexcept override;
  // Context: any thread.
  void unpark() noexcept override;

 private:
  friend class FiberScheduler;
  explicit Fiber(FiberScheduler& scheduler);
  static void entry(unsigned high, unsigned low);

  enum class State { Idle, Running, Parked, Ready };

  FiberScheduler& scheduler_;
  nt::Thread thread_;
  ucontext_t context_;
  void* stack_ = nullptr;
  void (*task_)(Fiber&, void*) = nullptr;
  void* owner_ = nullptr;
  // Guarded by the scheduler's mutex.
  State state_ = State::Idle;
  bool token_ = false;  // an unpark() came before its park()
  int64_t deadline_ns_ = INT64_MAX;
};

// Runs fibers on the one thread that constructed it.
class FiberScheduler {
 public:
  struct Hooks {
    // Called on the tracing thread before a fiber goes on.
    void (*resumed)(void* owner);
    // Called on the tracing thread after it left: its task has ended, or it parked, or it was
    // abandoned.
    void (*left)(void* owner, bool ended);
    // Makes a sleeping tracing thread look at next_deadline() again. Any thread.
    void (*wake)() noexcept;
  };
  explicit FiberScheduler(const Hooks& hooks);
  FiberScheduler(const FiberScheduler&) = delete;
  FiberScheduler& operator=(const FiberScheduler&) = delete;

  // Runs task(fiber, owner) now, until it ends or parks.
  void start(void (*task)(Fiber&, void*), void* owner);
  // Runs every fiber that was unparked or whose deadline has passed.
  void run_ready();
  // Leaves the running fiber for good and goes on after its start()/run_ready(). Its stack and
  // whatever it holds stay as they are: for bug checks. Context: a fiber, signal handlers of its
  // faults included.
  [[noreturn]] void abandon_current() noexcept;

  // The fiber that runs on the calling thread, null on other threads and between tasks.
  [[nodiscard]] static Fiber* current() noexcept;
  // Fibers that wait for something.
  [[nodiscard]] size_t parked() const noexcept { return parked_; }
  // CLOCK_MONOTONIC; 0 if something is ready now, INT64_MAX if only an unpark() can help.
  [[nodiscard]] int64_t next_deadline() const;
  // Owners of parked fibers, for diagnosis.
  [[nodiscard]] std::vector<void*> parked_owners() const;

 private:
  friend class Fiber;
  void switch_to(Fiber& fiber);

  Hooks hooks_;
  ucontext_t main_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  size_t parked_ = 0;  // tracing thread only
  mutable std::mutex mutex_;
  std::vector<Fiber*> ready_;  // guarded by mutex_
};

[[nodiscard]] int64_t monotonic_ns() noexcept;

}  // namespace kebound::supervisor
