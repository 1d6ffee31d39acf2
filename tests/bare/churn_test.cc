// SPDX-License-Identifier: Apache-2.0
//
// Callbacks that come and go under faulting threads. With "wanted=late" on the command line the
// kernel is one whose deregistration does not wait, and the test must see that.
#include <string.h>

#include "core/atomic.h"
#include "tests/bare/programs.h"

namespace kebound::bare {

namespace {

constexpr unsigned kFaultingThreads = 3;
constexpr int64_t kSeconds = 2;

constinit Atomic<uint32_t> g_alive;
constinit Atomic<uint64_t> g_late;
constinit Atomic<uint64_t> g_calls;
constinit Atomic<uint64_t> g_handled;

void look() {
  if (g_alive.load() == 0) g_late.fetch_add(1);
}

BOUND_CALLBACK_STATUS step_over() {
  g_handled.fetch_add(1);
  frame_now().Rip += event_now().instruction_length;
  return BoundExceptionHandled;
}

// Stays for a while, so that a deregistration that does not wait meets it.
BOUND_CALLBACK_STATUS come_and_go() {
  look();
  const uint64_t call = g_calls.fetch_add(1);
  if (call % 4 == 0) sleep_until(now_ns() + 1);
  if (call % 4 == 1) yield();
  look();
  return BoundExceptionContinueSearch;
}

BARE_TEST(churn) {
  be_a_driver();
  const bool is_mutant = strcmp(option("wanted=").c_str(), "late") == 0;
  static Process process;
  process.id = 1;
  const LoopPlaces places = load_loops();
  check("the one that handles is registered", KeRegisterBoundCallback(step_over) != nullptr);
  for (unsigned i = 0; i < kFaultingThreads; ++i)
    check("a thread faults", start_loop(process, places.forever, i, 0, 12) != nullptr);

  uint64_t rounds = 0;
  uint64_t refused = 0;
  for (; now_ns() < kSeconds * 1'000'000'000; ++rounds) {
    g_alive.store(1);
    PVOID const handle = KeRegisterBoundCallback(come_and_go);
    const uint64_t before = g_calls.load();
    while (g_calls.load() == before) yield();
    if (rounds % 2 != 0) sleep_until(now_ns() + 1);
    if (handle == nullptr || KeDeregisterBoundCallback(handle) != STATUS_SUCCESS) ++refused;
    g_alive.store(0);
    for (unsigned i = 0; i < rounds % 5; ++i) yield();
  }
  end_process(process, Ending::Terminated);
  print_line(std::string("@torture rounds ") + std::to_string(rounds) + " calls " +
             std::to_string(g_calls.load()) + " handled " + std::to_string(g_handled.load()) +
             " late " + std::to_string(g_late.load()));
  check("there was something to see", rounds > 100 && g_calls.load() > 300);
  check_equal("every registration and deregistration succeeded", refused, 0);
  if (is_mutant) return check("late callbacks are seen", g_late.load() > 0);
  check_equal("callbacks after their deregistration", g_late.load(), 0);
}

}  // namespace

}  // namespace kebound::bare
