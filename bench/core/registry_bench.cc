// SPDX-License-Identifier: Apache-2.0
//
// What a dispatch and a pair of add and remove cost, next to two usual ways of doing the same, in
// one run.
#include <benchmark/benchmark.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "bench/core/rivals.h"
#include "core/registry.h"

namespace kebound::bench {
namespace {

[[gnu::noinline]] RawAnswer continue_search() {
  asm volatile("");  // keeps the call
  return kAnswerContinueSearch;
}

// The registry behind the interface that the rivals have.
class Kebound {
 public:
  using Handle = kebound::Handle;
  static constexpr int kMaxThreads = 4;

  Kebound() {
    for (DispatchContext& context : contexts_) registry_.attach(context);
  }
  Handle add(Routine routine) {
    return registry_.add(reinterpret_cast<void*>(routine), nullptr, nullptr);
  }
  void remove(Handle handle) { benchmark::DoNotOptimize(registry_.remove(handle, nullptr)); }
  RawAnswer dispatch(int thread) {
    return registry_
        .dispatch(contexts_[thread],
                  [](const Registration& r) { return reinterpret_cast<Routine>(r.routine)(); })
        .answer;
  }

 private:
  Registry registry_;
  DispatchContext contexts_[kMaxThreads];
};

struct MutexList : MutexListRegistry {
  RawAnswer dispatch(int) { return MutexListRegistry::dispatch(); }
};

struct RcuList : RcuListRegistry {
  RawAnswer dispatch(int) { return RcuListRegistry::dispatch(); }
};

struct RcuListLater : RcuList {
  void remove(Handle entry) { remove_later(entry); }
};

// A thread that reads under rcu says so first; the others need nothing.
template <class R>
struct ThreadScope {};
template <>
struct ThreadScope<RcuList> {
  ThreadScope() { urcu_memb_register_thread(); }
  ~ThreadScope() { urcu_memb_unregister_thread(); }
};

template <class R>
R& shared() {
  static R registry;  // one for all benchmark threads; emptied by whoever filled it
  return registry;
}

template <class R>
void dispatch(benchmark::State& state) {
  [[maybe_unused]] const ThreadScope<R> scope;
  R& registry = shared<R>();
  std::vector<typename R::Handle> handles;
  if (state.thread_index() == 0) {
    for (int64_t i = 0; i < state.range(0); ++i) handles.push_back(registry.add(continue_search));
  }
  for (auto _ : state) benchmark::DoNotOptimize(registry.dispatch(state.thread_index()));
  for (const auto handle : handles) registry.remove(handle);
}

template <class R>
void pair(benchmark::State& state) {
  R& registry = shared<R>();
  std::vector<typename R::Handle> others;
  for (int i = 0; i < 7; ++i) others.push_back(registry.add(continue_search));
  for (auto _ : state) registry.remove(registry.add(continue_search));
  for (const auto other : others) registry.remove(other);
}

// The pair while another thread dispatches without a pause: the heavy barrier is in the price.
template <class R>
void pair_under_load(benchmark::State& state) {
  R& registry = shared<R>();
  std::vector<typename R::Handle> others;
  for (int i = 0; i < 7; ++i) others.push_back(registry.add(continue_search));
  std::atomic<bool> stop{false};
  std::atomic<bool> started{false};
  std::thread other([&] {
    [[maybe_unused]] const ThreadScope<R> scope;
    started = true;
    while (!stop.load(std::memory_order_relaxed)) registry.dispatch(1);
  });
  while (!started) std::this_thread::yield();
  for (auto _ : state) registry.remove(registry.add(continue_search));
  stop = true;
  other.join();
  for (const auto handle : others) registry.remove(handle);
}

void sizes(benchmark::internal::Benchmark* b) { b->Arg(0)->Arg(1)->Arg(8)->Arg(64); }

BENCHMARK_TEMPLATE(dispatch, Kebound)->Apply(sizes);
BENCHMARK_TEMPLATE(dispatch, RcuList)->Apply(sizes);
BENCHMARK_TEMPLATE(dispatch, MutexList)->Apply(sizes);
BENCHMARK_TEMPLATE(dispatch, Kebound)->Arg(8)->Threads(2)->UseRealTime();
BENCHMARK_TEMPLATE(dispatch, RcuList)->Arg(8)->Threads(2)->UseRealTime();
BENCHMARK_TEMPLATE(dispatch, MutexList)->Arg(8)->Threads(2)->UseRealTime();
BENCHMARK_TEMPLATE(pair, Kebound);
BENCHMARK_TEMPLATE(pair, RcuList);
BENCHMARK_TEMPLATE(pair, RcuListLater);
BENCHMARK_TEMPLATE(pair, MutexList);
BENCHMARK_TEMPLATE(pair_under_load, Kebound)->UseRealTime();
BENCHMARK_TEMPLATE(pair_under_load, RcuList)->UseRealTime();
BENCHMARK_TEMPLATE(pair_under_load, MutexList)->UseRealTime();

}  // namespace
}  // namespace kebound::bench

BENCHMARK_MAIN();
