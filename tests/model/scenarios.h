// SPDX-License-Identifier: Apache-2.0
//
// Registrations, threads and what must hold, for the model checker. Variables outside the registry
// are the scenario's own view of the truth: they change in the order of steps, with no store buffer
// between.
#pragma once

#include <new>

#include "tests/model/model_system.h"

namespace kebound::model {

template <Mutation kMutation>
class RegistryScenario : public Scenario {
 public:
  using System = ModelSystem<kMutation>;
  using Context = BasicDispatchContext<System>;
  static constexpr size_t kMaxThreads = 4;

  explicit RegistryScenario(size_t threads) : threads_(threads) {}
  [[nodiscard]] size_t threads() const override { return threads_; }

  void reset() override {
    world_ = new (storage_) World;
    for (size_t i = 0; i < threads_; ++i) world_->registry.attach(world_->contexts[i]);
    for (Truth& truth : truth_) truth = Truth{};
    broken_ = 0;
    prepare();
  }

 protected:
  struct Truth {
    Handle handle = 0;
    int running = 0;
    int started = 0;
    int successes = 0;
    bool added = false;  // add() has returned
    bool gone = false;   // remove() has returned
  };

  virtual void prepare() = 0;
  // Inside callback `n` on `thread`.
  virtual RawAnswer callback(size_t /*thread*/, size_t /*n*/) {
    scheduler().yield();
    return kAnswerContinueSearch;
  }

  static Scheduler& scheduler() { return *Scheduler::running(); }
  BasicRegistry<System>& registry() { return world_->registry; }
  Context& context(size_t thread) { return world_->contexts[thread]; }

  Handle add(size_t n) {
    void* const value = reinterpret_cast<void*>(n);
    const Handle handle = registry().add(value, value, value);
    truth_[n].handle = handle;
    truth_[n].added = handle != 0;
    return handle;
  }

  void dispatch(size_t thread) {
    const uint64_t accesses = scheduler().accesses(thread);
    const uint64_t sleeps = scheduler().sleeps(thread);
    uint64_t in_callbacks = 0;
    uint64_t sleeps_in_callbacks = 0;
    uint64_t before = ~uint64_t{0};
    registry().dispatch(context(thread), [&](const Registration& r) -> RawAnswer {
      const uint64_t accesses_at_entry = scheduler().accesses(thread);
      const uint64_t sleeps_at_entry = scheduler().sleeps(thread);
      const auto n = reinterpret_cast<size_t>(r.routine);
      scheduler().check(r.context == r.routine && r.call_site == r.routine, "a torn registration");
      scheduler().check(r.handle >> 6 < before >> 6, "not newest first, or asked twice");
      before = r.handle;
      Truth& truth = truth_[n];
      scheduler().check(!truth.gone, "a callback started after remove() had returned");
      ++truth.running;
      ++truth.started;
      const RawAnswer answer = callback(thread, n);
      --truth.running;
      in_callbacks += scheduler().accesses(thread) - accesses_at_entry;
      sleeps_in_callbacks += scheduler().sleeps(thread) - sleeps_at_entry;
      return answer;
    });
    // Wait-free: with the few registrations that scenarios have, so many steps at most, whatever
    // others do.
    scheduler().check(scheduler().accesses(thread) - accesses - in_callbacks <= 40,
                      "dispatch took more steps than its bound");
    scheduler().check(scheduler().sleeps(thread) == sleeps + sleeps_in_callbacks, "dispatch slept");
  }

  DeregisterOutcome remove(size_t thread, size_t n, bool is_dispatcher = true) {
    const DeregisterOutcome outcome =
        registry().remove(truth_[n].handle, is_dispatcher ? &context(thread) : nullptr);
    if (outcome.status != DeregisterStatus::Removed) return outcome;
    const int excused = (outcome.from_inside_itself ? 1 : 0) + (outcome.broke_deadlock ? 1 : 0);
    scheduler().check(truth_[n].running <= excused, "a callback still ran when remove() returned");
    if (outcome.broke_deadlock) ++broken_;
    truth_[n].gone = true;
    scheduler().check(++truth_[n].successes == 1, "two removals of one handle succeeded");
    return outcome;
  }

  Truth truth_[8];
  int broken_ = 0;

 private:
  struct World {
    BasicRegistry<System> registry;
    Context contexts[kMaxThreads];
  };
  const size_t threads_;
  World* world_ = nullptr;
  alignas(World) unsigned char storage_[sizeof(World)];
};

// Thread 0 dispatches, `rounds` times; the others remove the same registration.
template <Mutation kMutation = Mutation::None>
class DispatchAgainstRemovers final : public RegistryScenario<kMutation> {
  using Base = RegistryScenario<kMutation>;

 public:
  DispatchAgainstRemovers(size_t removers, int rounds) : Base(1 + removers), rounds_(rounds) {}
  void prepare() override { this->add(1); }
  void run(size_t thread) override {
    if (thread == 0) {
      for (int i = 0; i < rounds_; ++i) this->dispatch(0);
      return;
    }
    const uint64_t sleeps = this->scheduler().sleeps(thread);
    const DeregisterOutcome outcome = this->remove(thread, 1, false);
    if (outcome.status == DeregisterStatus::InvalidHandle) {
      this->scheduler().check(this->scheduler().sleeps(thread) == sleeps, "a loser waited");
    }
  }
  void finish() override {
    this->scheduler().check(this->truth_[1].successes == 1, "not exactly one removal succeeded");
  }

 private:
  const int rounds_;
};

// All threads dispatch; each callback removes its own registration.
template <Mutation kMutation = Mutation::None>
class SelfRemoval final : public RegistryScenario<kMutation> {
 public:
  explicit SelfRemoval(size_t threads) : RegistryScenario<kMutation>(threads) {}
  void prepare() override { this->add(1); }
  void run(size_t thread) override { this->dispatch(thread); }
  RawAnswer callback(size_t thread, size_t n) override {
    const DeregisterOutcome outcome = this->remove(thread, n);
    this->scheduler().check(
        outcome.from_inside_itself == (outcome.status == DeregisterStatus::Removed),
        "the removal from inside was not told");
    return kAnswerHandled;
  }
  void finish() override {
    this->scheduler().check(this->truth_[1].successes == 1, "not exactly one removal succeeded");
  }
};

// Each thread, inside its own callback, removes the next thread's. With `meet` they all start when
// all are inside.
template <Mutation kMutation = Mutation::None>
class RingRemoval final : public RegistryScenario<kMutation> {
 public:
  RingRemoval(size_t threads, bool meet) : RegistryScenario<kMutation>(threads), meet_(meet) {}
  void prepare() override {
    inside_ = 0;
    for (size_t n = 1; n <= this->threads(); ++n) this->add(n);
  }
  void run(size_t thread) override { this->dispatch(thread); }
  RawAnswer callback(size_t thread, size_t n) override {
    if (n != thread + 1) return kAnswerContinueSearch;
    ++inside_;
    if (meet_) this->scheduler().block_until([this] { return inside_ == this->threads(); });
    const size_t next = n % this->threads() + 1;
    const DeregisterOutcome outcome = this->remove(thread, next);
    this->scheduler().check(outcome.status == DeregisterStatus::Removed, "a removal failed");
    if (outcome.broke_deadlock) {
      this->scheduler().check(
          outcome.deadlocked_with == this->truth_[next % this->threads() + 1].handle,
          "the deadlock was reported with the wrong handle");
    }
    return kAnswerHandled;
  }
  void finish() override {
    this->scheduler().check(meet_ ? this->broken_ == 1 : this->broken_ <= 1,
                            "a deadlock was not broken by exactly one");
  }

 private:
  const bool meet_;
  size_t inside_ = 0;
};

// Threads 1 and 2 are inside callback 2; thread 0, inside callback 1, removes 2, and thread 1
// removes 1. Thread 2 just leaves; thread 0 comes to it first.
template <Mutation kMutation = Mutation::None>
class SharedCallbackRing final : public RegistryScenario<kMutation> {
 public:
  SharedCallbackRing() : RegistryScenario<kMutation>(3) {}
  void prepare() override {
    inside_ = 0;
    this->add(1);
    this->add(2);
  }
  void run(size_t thread) override { this->dispatch(thread); }
  RawAnswer callback(size_t thread, size_t n) override {
    if (n != (thread == 0 ? 1 : 2)) return kAnswerContinueSearch;
    ++inside_;
    this->scheduler().block_until([this] { return inside_ == 3; });
    if (thread == 2) return kAnswerHandled;
    const DeregisterOutcome outcome = this->remove(thread, 3 - n);
    this->scheduler().check(outcome.status == DeregisterStatus::Removed, "a removal failed");
    return kAnswerHandled;
  }
  void finish() override {
    this->scheduler().check(this->broken_ == 1, "a deadlock was not broken by exactly one");
  }

 private:
  size_t inside_ = 0;
};

// One slot. Thread 0 dispatches, thread 1 removes the tenant, thread 2 moves in, dispatches and
// moves out.
template <Mutation kMutation = Mutation::None>
class SlotReuse final : public RegistryScenario<kMutation> {
 public:
  SlotReuse() : RegistryScenario<kMutation>(3) {}
  void prepare() override {
    this->registry().configure(1, 0);
    this->add(1);
  }
  void run(size_t thread) override {
    if (thread == 0) return this->dispatch(0);
    if (thread == 1) {
      this->remove(1, 1);
      return;
    }
    const bool was_asleep = this->scheduler().asleep(1);
    if (this->add(2) == 0) {
      this->scheduler().check(!was_asleep,
                              "the slot was not free although its removal waited already");
      return;
    }
    this->dispatch(2);
    this->scheduler().check(this->truth_[2].started != 0, "the new tenant was not asked");
    this->remove(2, 2);
  }
};

// Thread 0 adds a second registration while thread 1 dispatches.
template <Mutation kMutation = Mutation::None>
class AddAgainstDispatch final : public RegistryScenario<kMutation> {
 public:
  AddAgainstDispatch() : RegistryScenario<kMutation>(2) {}
  void prepare() override { this->add(1); }
  void run(size_t thread) override {
    if (thread == 0) {
      this->add(2);
      return;
    }
    for (int i = 0; i < 2; ++i) {
      const bool added = this->truth_[2].added;
      const int first = this->truth_[1].started;
      const int second = this->truth_[2].started;
      this->dispatch(1);
      this->scheduler().check(this->truth_[1].started == first + 1,
                              "a registration was lost or doubled");
      const int asked = this->truth_[2].started - second;
      this->scheduler().check(asked == 1 || (asked == 0 && !added),
                              "a new registration was lost or doubled");
    }
  }
};

// Thread 1 removes 2; thread 0's next callback, 1, lasts until that removal has returned.
template <Mutation kMutation = Mutation::None>
class OthersCallback final : public RegistryScenario<kMutation> {
 public:
  OthersCallback() : RegistryScenario<kMutation>(2) {}
  void prepare() override {
    this->add(1);
    this->add(2);
  }
  void run(size_t thread) override {
    if (thread == 0) return this->dispatch(0);
    this->remove(1, 2, false);
  }
  RawAnswer callback(size_t, size_t n) override {
    this->scheduler().yield();
    if (n == 1) this->scheduler().block_until([this] { return this->truth_[2].gone; });
    return kAnswerContinueSearch;
  }
};

}  // namespace kebound::model
