// SPDX-License-Identifier: Apache-2.0
//
// What a handled exception costs in the process, next to a bare sigaction(2) handler that makes the
// same edit. Prints one line for each: name, nanoseconds per exception, and the ratio to the bare
// handler of the same kind; each of the least of many rounds, which is what a quiet machine gives,
// and of their median.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include <algorithm>
#include <vector>

#include "include/kebound/ke.h"
#include "include/kebound/kebound.h"
#include "tests/inproc/raise.h"

namespace {

using kebound::testing::raise_bound;
constexpr kebound::testing::Bounds kBounds{-4, 9};
constexpr int kRounds = 101;
constexpr int kPerRound = 1000;

// The thread's processor time: what others do on the machine meanwhile is not ours.
double now_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct Cost {
  double least;
  double median;
};

template <class Raise>
double one_round(Raise&& raise) {
  const double begin = now_ns();
  for (int i = 0; i < kPerRound; ++i) raise();
  return (now_ns() - begin) / kPerRound;
}

Cost summary(std::vector<double>& rounds) {
  std::sort(rounds.begin(), rounds.end());
  return {rounds.front(), rounds[rounds.size() / 2]};
}

void bare_clamp(int, siginfo_t*, void* context) { kebound::testing::set_ax(context, 9); }
void bare_skip(int, siginfo_t*, void* context) {
  kebound::testing::set_ip(context,
                           kebound::testing::ip_of(context) + kebound::testing::kArrayTrapToSafety);
}

kebound_answer clamp(const kebound_event* event, kebound_registers* registers, void*) {
  if (event->source == KEBOUND_SOURCE_X86_BOUND) {
    registers->gpr[KEBOUND_RAX] = 9;
  } else {
    registers->ip += kebound::testing::kArrayTrapToSafety;
  }
  return KEBOUND_HANDLED;
}
kebound_answer pass(const kebound_event*, kebound_registers*, void*) {
  return KEBOUND_CONTINUE_SEARCH;
}
BOUND_CALLBACK_STATUS NTAPI nt_clamp() {
  KeGetCurrentThread()->TrapFrame->Rax = 9;
  return BoundExceptionHandled;
}

// The actions of the two sides, exchanged for each round, so that both see the same machine.
struct Side {
  struct sigaction segv {};
  struct sigaction ill {};
  void enter() const {
    sigaction(SIGSEGV, &segv, nullptr);
    sigaction(SIGILL, &ill, nullptr);
  }
};

Side bare_side() {
  Side side;
  side.segv.sa_sigaction = bare_clamp;
  side.segv.sa_flags = SA_SIGINFO;
  side.ill.sa_sigaction = bare_skip;
  side.ill.sa_flags = SA_SIGINFO;
  return side;
}

template <class Raise>
void compare(const char* name, const Side& bare, Raise&& raise) {
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int i = 0; i < kRounds; ++i) {
    Side kebound;
    sigaction(SIGSEGV, nullptr, &kebound.segv);
    sigaction(SIGILL, nullptr, &kebound.ill);
    ours.push_back(one_round(raise));
    bare.enter();
    theirs.push_back(one_round(raise));
    kebound.enter();
  }
  const Cost a = summary(ours);
  const Cost b = summary(theirs);
  printf("%-28s %8.0f %8.0f   bare %8.0f %8.0f   ratio %.3f %.3f\n", name, a.least, a.median,
         b.least, b.median, a.least / b.least, a.median / b.median);
}

// How much more the side that is in place gets done with two threads than with one, in elapsed
// time.
double scaling() {
  constexpr int kEach = 2000;
  const auto raise_all = [](void*) -> void* {
    for (int i = 0; i < kEach; ++i) raise_bound(4711, kBounds);
    return nullptr;
  };
  const auto elapsed = [&](int threads) {
    pthread_t ids[2];
    timespec begin{};
    timespec end{};
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < threads; ++i) {
      if (pthread_create(&ids[i], nullptr, raise_all, nullptr) != 0) abort();
    }
    for (int i = 0; i < threads; ++i) pthread_join(ids[i], nullptr);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return static_cast<double>(end.tv_sec - begin.tv_sec) * 1e9 +
           static_cast<double>(end.tv_nsec - begin.tv_nsec);
  };
  const double one = elapsed(1);
  return 2 * one / elapsed(2);
}

void compare_scaling(const Side& bare) {
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int i = 0; i < kRounds; ++i) {
    Side kebound;
    sigaction(SIGSEGV, nullptr, &kebound.segv);
    sigaction(SIGILL, nullptr, &kebound.ill);
    ours.push_back(scaling());
    bare.enter();
    theirs.push_back(scaling());
    kebound.enter();
  }
  printf("%-28s %8.2f times one thread   bare %8.2f\n", "bound, two threads", summary(ours).median,
         summary(theirs).median);
}

void bound() { raise_bound(4711, kBounds); }
void array_trap() { kebound::testing::raise_array_trap(); }

}  // namespace

int main() {
  const Side bare = bare_side();
  const kebound_handle handle = kebound_register(clamp, nullptr);
  printf("%d bits; ns per exception: least and median of %d rounds of %d\n",
         static_cast<int>(sizeof(void*) * 8), kRounds, kPerRound);
  compare("bound", bare, bound);
  compare("ud1", bare, array_trap);
  compare_scaling(bare);
  for (int i = 0; i < 63; ++i) static_cast<void>(kebound_register(pass, nullptr));
  compare("bound, 64 callbacks", bare, bound);
  compare("ud1, 64 callbacks", bare, array_trap);
  static_cast<void>(kebound_deregister(handle));
  PVOID const nt = KeRegisterBoundCallback(nt_clamp);
  static_cast<void>(nt);
  compare("bound, NT routine", bare, bound);
}
