// SPDX-License-Identifier: Apache-2.0
//
// The System with which the registry runs under the scheduler; and mutants of it, each of which
// leaves out one thing that the proof needs, for the checker to find.
#pragma once

#include <string.h>

#include <type_traits>

#include "core/registry.h"
#include "tests/model/scheduler.h"

namespace kebound::model {

enum class Mutation {
  None,
  NoHeavyBarrier,        // R4 left out
  NoBarrierBeforeSleep,  // the one between waiters_ and the last look at current_
  NoWake,                // nobody wakes a remover
  PlainD1,               // active = 1 as a plain store
  TornR1,                // R1 as a load and a store
  NoWaitsLock,           // the wait graph is searched without its lock
};

template <Mutation kMutation>
struct ModelSystem {
  static constexpr unsigned kSpins = 0;

  template <class T>
  class Atomic {
    static constexpr bool kIsHandle = sizeof(T) == 8 && !std::is_pointer_v<T>;

   public:
    constexpr Atomic() noexcept = default;
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    [[nodiscard]] T load(MemoryOrder = MemoryOrder::SeqCst) const noexcept {
      return from(scheduler().load(&value_, sizeof(T)));
    }
    void store(T value, MemoryOrder order = MemoryOrder::SeqCst) noexcept {
      scheduler().store(&value_, sizeof(T), bits(value), order == MemoryOrder::SeqCst);
    }
    T exchange(T value, MemoryOrder order = MemoryOrder::SeqCst) noexcept {
      if (kMutation == Mutation::PlainD1 && sizeof(T) == 4 && order == MemoryOrder::SeqCst) {
        store(value, MemoryOrder::Relaxed);
        return T{};
      }
      return modify([value](T) { return value; });
    }
    bool compare_exchange(T& expected, T desired,
                          MemoryOrder success = MemoryOrder::SeqCst) noexcept {
      if (kMutation == Mutation::NoWaitsLock && kIsHandle && success == MemoryOrder::Acquire)
        return true;
      if (kMutation == Mutation::TornR1 && kIsHandle && success == MemoryOrder::SeqCst) {
        if (load() != expected) return false;
        store(desired);
        return true;
      }
      const T wanted = expected;
      expected = modify([wanted, desired](T found) { return found == wanted ? desired : found; });
      return expected == wanted;
    }
    T fetch_add(T value, MemoryOrder = MemoryOrder::SeqCst) noexcept {
      return modify([value](T found) { return static_cast<T>(found + value); });
    }
    T fetch_and(T value, MemoryOrder = MemoryOrder::SeqCst) noexcept {
      return modify([value](T found) { return static_cast<T>(found & value); });
    }
    [[nodiscard]] const void* address() const noexcept { return &value_; }

   private:
    static Scheduler& scheduler() noexcept { return *Scheduler::running(); }
    static uint64_t bits(T value) noexcept {
      uint64_t result = 0;
      memcpy(&result, &value, sizeof(T));
      return result;
    }
    static T from(uint64_t value) noexcept {
      T result;
      memcpy(&result, &value, sizeof(T));
      return result;
    }
    template <class Change>
    T modify(Change change) noexcept {
      return from(scheduler().modify(&value_, sizeof(T),
                                     [&](uint64_t found) { return bits(change(from(found))); }));
    }

    T value_{};
  };

  static void wait_while_equal(const Atomic<uint64_t>& word, uint64_t value) noexcept {
    Scheduler::running()->futex_wait(word.address(), sizeof value, value);
  }
  static void wake_all(const Atomic<uint64_t>& word) noexcept {
    if (kMutation != Mutation::NoWake) Scheduler::running()->futex_wake(word.address());
  }
  static void light_barrier() noexcept {}  // the compiler does not reorder calls into the scheduler
  static void heavy_barrier() noexcept {
    Scheduler& scheduler = *Scheduler::running();
    const bool first = scheduler.barriers_of_current_thread()++ == 0;
    if (kMutation == Mutation::NoHeavyBarrier && first) return;
    if (kMutation == Mutation::NoBarrierBeforeSleep && !first) return;
    scheduler.heavy_barrier();
  }
  static void relax() noexcept {}
};

}  // namespace kebound::model
