// SPDX-License-Identifier: Apache-2.0
//
// What the torture tests share. They are bounded by iterations, not by time, and sized for two
// processors.
#pragma once

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "system_under_test.h"

namespace kebound::torture {

using TestRegistry = BasicRegistry<SystemUnderTest>;
using TestContext = BasicDispatchContext<SystemUnderTest>;

inline void* routine(uintptr_t n) { return reinterpret_cast<void*>(n); }

// Long past anything that a machine under load needs; only a lost wake-up or a deadlock reaches it.
inline constexpr auto kForever = std::chrono::seconds(20);

// False if the condition did not come true: a test then fails instead of hanging.
template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kForever;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// Lets `parties` threads start each round together.
class RoundBarrier {
 public:
  explicit RoundBarrier(int parties) : parties_(parties) {}
  void arrive_and_wait() {
    const int round = round_.load();
    if (arrived_.fetch_add(1) + 1 == parties_) {
      arrived_ = 0;
      ++round_;
      return;
    }
    while (round_.load() == round) std::this_thread::yield();
  }

 private:
  const int parties_;
  std::atomic<int> arrived_{0};
  std::atomic<int> round_{0};
};

// Threads that dispatch on contexts of their own until stopped.
class Dispatchers {
 public:
  template <class Asker>
  Dispatchers(TestRegistry& registry, size_t count, Asker ask) : contexts_(count) {
    for (TestContext& context : contexts_) {
      registry.attach(context);
      threads_.emplace_back([this, &registry, &context, ask] {
        ++started_;
        while (!stop_.load(std::memory_order_relaxed)) {
          registry.dispatch(context, [&](const Registration& r) { return ask(r, context); });
          dispatches_.fetch_add(1, std::memory_order_relaxed);
        }
      });
    }
    while (started_ != count) std::this_thread::yield();
  }
  ~Dispatchers() { stop(); }
  Dispatchers(const Dispatchers&) = delete;
  Dispatchers& operator=(const Dispatchers&) = delete;

  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  [[nodiscard]] uint64_t dispatches() const { return dispatches_; }

 private:
  std::vector<TestContext> contexts_;
  std::vector<std::thread> threads_;
  std::atomic<size_t> started_{0};
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> dispatches_{0};
};

}  // namespace kebound::torture
