// SPDX-License-Identifier: Apache-2.0
//
// What a handled exception costs in the process, next to a bare sigaction(2) handler that makes the
// same edit. Prints one line for each: name, nanoseconds per exception (the least of several rounds
// and their median), ratio to the bare handler of the same kind.
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
constexpr int kRounds = 21;
constexpr int kPerRound = 5000;

double now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
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
  printf("%-28s %8.0f %8.0f   bare %8.0f %8.0f   ratio %.3f\n", name, a.least, a.median, b.least,
         b.median, a.median / b.median);
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
  for (int i = 0; i < 63; ++i) static_cast<void>(kebound_register(pass, nullptr));
  compare("bound, 64 callbacks", bare, bound);
  compare("ud1, 64 callbacks", bare, array_trap);
  static_cast<void>(kebound_deregister(handle));
  PVOID const nt = KeRegisterBoundCallback(nt_clamp);
  static_cast<void>(nt);
  compare("bound, NT routine", bare, bound);
}
