// SPDX-License-Identifier: Apache-2.0
//
// A small stateless model checker: runs the threads of a scenario as fibers of one OS thread, with
// the memory of x86 (total store order: each thread has a FIFO store buffer), and explores what the
// scheduler and the buffers may do.
//
// What is explored. Before each shared access the scheduler may switch threads; up to `preemptions`
// switches away from a thread that could go on are explored exhaustively (switches at a block or an
// end are free), beyond that by random walks. A buffered store reaches memory when its owner drains
// (read-modify-write, seq_cst store, barrier, system call), or when another thread touches the
// address, which then chooses how many of the stores to it have arrived. Choosing only there loses
// nothing: until then nobody can tell. (Two threads that buffer plain stores to the same address
// would need the order of these two explored as well; core/ has no such address.)
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace kebound::model {

class Scenario {
 public:
  Scenario() = default;
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;
  virtual ~Scenario() = default;
  [[nodiscard]] virtual size_t threads() const = 0;
  // Makes the world anew; accesses go straight to memory.
  virtual void reset() = 0;
  // The body of a thread. Abandoned in the middle after a violation: it must not own anything.
  virtual void run(size_t thread) = 0;
  // When all threads have ended and all buffers are drained.
  virtual void finish() {}
};

struct Options {
  unsigned preemptions = 2;
  uint64_t random_walks = 0;  // after the exhaustive part, without a bound on preemptions
  uint64_t max_executions = 20'000'000;
  unsigned max_steps = 2'000;  // of one execution; more count as "does not end"
};

struct Result {
  uint64_t executions = 0;
  bool complete = false;  // everything within the bound was explored
  std::string violation;  // empty: none found
  std::string trace;      // the steps that lead to it
};

class Scheduler {
 public:
  [[nodiscard]] Result explore(Scenario& scenario, const Options& options);

  // The scheduler that runs now; null outside explore().
  [[nodiscard]] static Scheduler* running() noexcept { return running_; }

  // For the model's atomics and barriers. Values are zero-extended.
  [[nodiscard]] uint64_t load(const void* address, size_t size);
  void store(void* address, size_t size, uint64_t value, bool drain);
  [[nodiscard]] uint64_t modify(void* address, size_t size,
                                const std::function<uint64_t(uint64_t)>& change);
  void heavy_barrier();
  void futex_wait(const void* address, size_t size, uint64_t value);
  void futex_wake(const void* address);

  // For scenarios. A place where other threads may run; a wait for a condition on the scenario's
  // own variables.
  void yield() { point("yield", nullptr, 0); }
  void block_until(std::function<bool()> condition);
  void check(bool condition, const char* what) {
    if (!condition) fail(what);
  }
  [[noreturn]] void fail(const char* what);
  [[nodiscard]] size_t current_thread() const noexcept { return current_; }
  // Shared accesses that a thread has made, and how often it slept.
  [[nodiscard]] uint64_t accesses(size_t thread) const { return threads_[thread]->accesses; }
  [[nodiscard]] uint64_t sleeps(size_t thread) const { return threads_[thread]->sleeps; }
  [[nodiscard]] bool asleep(size_t thread) const {
    return threads_[thread]->state == State::Asleep;
  }
  uint64_t& barriers_of_current_thread() { return threads_[current_]->barriers; }

 private:
  enum class State : uint8_t { Ready, Asleep, Waiting, Ended };
  struct BufferedStore {
    void* address;
    size_t size;
    uint64_t value;
  };
  struct Fiber {
    ucontext_t context;
    std::unique_ptr<unsigned char[]> stack;
    State state = State::Ready;
    const void* asleep_on = nullptr;
    std::function<bool()> condition;
    std::vector<BufferedStore> buffer;
    uint64_t accesses = 0;
    uint64_t sleeps = 0;
    uint64_t barriers = 0;
  };
  struct Choice {
    uint32_t taken;
    uint32_t count;
  };
  static constexpr size_t kNobody = ~size_t{0};

  void run_once(Scenario& scenario);
  bool next_path();
  static void fiber_main();
  void point(const char* what, const void* address, uint64_t value);
  void note(const char* what, const void* address, uint64_t value);
  size_t choose(size_t count);
  [[nodiscard]] bool runnable(size_t thread) const;
  void switch_to(size_t thread);
  void leave_processor();
  static void write(const BufferedStore& store);
  void drain(size_t thread, size_t count);
  void drain_all(size_t thread) { drain(thread, threads_[thread]->buffer.size()); }
  void let_stores_arrive(const void* address);

  static Scheduler* running_;
  Scenario* scenario_ = nullptr;
  Options options_;
  std::vector<std::unique_ptr<Fiber>> threads_;
  size_t active_threads_ = 0;
  size_t current_ = kNobody;
  ucontext_t main_{};
  unsigned preemptions_ = 0;
  unsigned steps_ = 0;
  std::vector<Choice> path_;
  size_t depth_ = 0;
  bool random_ = false;
  bool replay_ = false;
  std::mt19937_64 generator_{20};
  std::string violation_;
  std::string trace_;
};

}  // namespace kebound::model
