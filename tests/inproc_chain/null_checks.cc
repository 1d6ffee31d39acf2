// SPDX-License-Identifier: Apache-2.0
//
// null_checks early|late|nested THREADS ROUNDS: a runtime in the style of language virtual
// machines. Its SIGSEGV handler makes values of null references (by moving the instruction
// pointer), leaves wild reads and overflowing stacks (by siglongjmp), and its threads raise real
// bound exceptions in between. The handler repairs those that reach it, which are all if there is
// nobody in front of it; so the program behaves the same either way, but for the count in the last
// line of its output.
//
//   early   the handler is there before main(), runs on alternate stacks and has a mask
//   late    it comes while the threads raise bound exceptions: somebody else has to repair those
//   before nested  SA_NODEFER: the handler raises bound exceptions itself
//
// Exit status 1 when something is not as it must be. Nothing in here knows of kebound.
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <vector>

#include "tests/inproc/raise.h"

namespace {

using kebound::testing::Bounds;

enum class Mode { Early, Late, Nested };
Mode g_mode = Mode::Early;
long g_rounds = 0;
std::atomic<long> g_bounds{0};          // that were raised and repaired
std::atomic<long> g_handler_bounds{0};  // of them, by our handler
pthread_barrier_t g_handler_is_there;

constexpr Bounds kBounds{-3, 9};
constexpr int32_t kNull = -1;  // what a null reference's field reads as
constexpr int kErrno = 1234;
constexpr size_t kThreadStack = 256 * 1024;
constexpr size_t kSignalStack = 64 * 1024;

struct Thread {
  pthread_t thread{};
  char* signal_stack = nullptr;
  sigjmp_buf* recovery = nullptr;
  uintptr_t expected_address = 0;  // of the next wild access; 0: any
  long nulls = 0;
  long recovered = 0;
  long overflows = 0;
  long nested = 0;
};
thread_local Thread* t_self = nullptr;

[[noreturn]] void fail(const char* what) {
  if (write(2, what, strlen(what)) < 0 || write(2, "\n", 1) < 0) _exit(2);
  _exit(1);
}
void check(bool good, const char* what) {
  if (!good) fail(what);
}

extern "C" const char null_check_load[];
extern "C" const char null_check_failed[];
[[gnu::noinline, gnu::noclone]] int32_t checked_load(const int32_t* field) {
  int32_t value;
  __asm__ volatile(
      ".globl null_check_load\n"
      "null_check_load:\n"
      "  movl (%1), %0\n"
      "  jmp 1f\n"
      ".globl null_check_failed\n"
      "null_check_failed:\n"
      "  movl $-1, %0\n"
      "1:\n"
      : "=&r"(value)
      : "r"(field)
      : "memory");
  return value;
}

void raise_bound(int32_t index) {
  errno = kErrno;
  const int32_t nearest = index < kBounds.lower ? kBounds.lower : kBounds.upper;
  check(kebound::testing::raise_bound(index, kBounds) == nearest, "an index was not repaired");
  check(errno == kErrno, "errno is lost");
  g_bounds.fetch_add(1);
}

void check_handlers_surroundings() {
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  check(sigismember(&mask, SIGUSR1) == 1, "sa_mask is not blocked");
  check(sigismember(&mask, SIGSEGV) == (g_mode == Mode::Nested ? 0 : 1),
        "SA_NODEFER is not as it was asked for");
  if (g_mode == Mode::Nested || t_self == nullptr) return;
  const char here = 0;
  const char* volatile const place = &here;
  check(place >= t_self->signal_stack && place < t_self->signal_stack + kSignalStack,
        "not on the alternate stack");
}

void on_segv(int, siginfo_t* info, void* context) {
  check_handlers_surroundings();
  Thread& self = *t_self;
  const uintptr_t ip = kebound::testing::ip_of(context);
  if (info->si_code == SI_KERNEL && ip == kebound::testing::bound_address()) {
    g_handler_bounds.fetch_add(1);
    const auto index = static_cast<int32_t>(kebound::testing::eax_of(context));
    const int32_t nearest = index < kBounds.lower ? kBounds.lower : kBounds.upper;
    kebound::testing::set_ax(context, static_cast<uint32_t>(nearest));
    return;
  }
  check(info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR, "si_code is not the fault's");
  if (self.expected_address != 0) {
    check(reinterpret_cast<uintptr_t>(info->si_addr) == self.expected_address,
          "si_addr is not the fault's");
  }
  errno = 0;
  if (ip == reinterpret_cast<uintptr_t>(null_check_load)) {
    kebound::testing::set_ip(context, reinterpret_cast<uintptr_t>(null_check_failed));
    if (g_mode == Mode::Nested) {
      raise_bound(100);
      ++self.nested;
    }
    errno = kErrno;
    return;
  }
  check(self.recovery != nullptr, "a fault that nobody expects");
  siglongjmp(*self.recovery, 1);
}

void install_handler() {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_segv;
  action.sa_flags = SA_SIGINFO | (g_mode == Mode::Nested ? SA_NODEFER : SA_ONSTACK);
  sigaddset(&action.sa_mask, SIGUSR1);
  struct sigaction old;
  check(sigaction(SIGSEGV, &action, &old) == 0 && old.sa_handler == SIG_DFL, "sigaction");
  check(sigaction(SIGSEGV, nullptr, &old) == 0 && old.sa_sigaction == on_segv &&
            old.sa_flags % 0x04000000 == action.sa_flags % 0x04000000,
        "the handler is not found where it was put");
}

// What is not null, and nobody's either.
const volatile int32_t* wild_address(long round) {
  return reinterpret_cast<const volatile int32_t*>(
      static_cast<uintptr_t>(4096 + 64 * (round % 100)));
}

void read_wild(Thread& self, long round) {
  sigjmp_buf recovery;
  self.recovery = &recovery;
  self.expected_address = reinterpret_cast<uintptr_t>(wild_address(round));
  if (sigsetjmp(recovery, 1) == 0) {
    static_cast<void>(*wild_address(round));
    fail("a wild read succeeded");
  }
  self.recovery = nullptr;
  ++self.recovered;
}

[[gnu::noinline]] int deeper(volatile char* outer) {
  volatile char frame[1024];
  frame[0] = *outer;
  return frame[0] == 1 ? 0 : deeper(frame) + frame[0];  // never 1
}

void overflow_stack(Thread& self) {
  sigjmp_buf recovery;
  self.recovery = &recovery;
  self.expected_address = 0;
  volatile char start = 0;
  if (sigsetjmp(recovery, 1) == 0) {
    deeper(&start);
    fail("a stack without end");
  }
  self.recovery = nullptr;
  ++self.overflows;
}

void load_null(Thread& self, long round) {
  const int32_t good = 7;
  check(checked_load(&good) == 7, "a good reference");
  self.expected_address = static_cast<uintptr_t>(4 * (round % 64));
  errno = kErrno;
  const auto* const field = reinterpret_cast<const int32_t*>(self.expected_address);
  check(checked_load(field) == kNull, "a null reference");
  check(errno == kErrno, "errno is lost");
  ++self.nulls;
}

void* run(void* opaque) {
  t_self = static_cast<Thread*>(opaque);
  Thread& self = *t_self;
  self.signal_stack = static_cast<char*>(malloc(kSignalStack));
  const stack_t stack{self.signal_stack, 0, kSignalStack};
  check(self.signal_stack != nullptr && sigaltstack(&stack, nullptr) == 0, "sigaltstack");
  sigset_t mask_before;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask_before);

  if (g_mode == Mode::Late) {
    for (long round = 0; round < g_rounds; ++round) raise_bound(round % 2 == 0 ? 10 : -4);
    pthread_barrier_wait(&g_handler_is_there);
  }
  for (long round = 1; round <= g_rounds; ++round) {
    load_null(self, round);
    raise_bound(round % 2 == 0 ? 100 : -100);
    read_wild(self, round);
    raise_bound(INT32_MAX);
    if (round % 16 == 0 && g_mode != Mode::Nested) overflow_stack(self);
  }

  sigset_t mask_behind;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask_behind);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    check(sigismember(&mask_before, signal) == sigismember(&mask_behind, signal),
          "the signal mask is not what it was");
  }
  const stack_t none{nullptr, SS_DISABLE, 0};
  check(sigaltstack(&none, nullptr) == 0, "sigaltstack");
  free(self.signal_stack);
  return nullptr;
}

[[gnu::constructor]] void before_main(int count, char** words, char**) {
  if (count < 2) return;
  if (strcmp(words[1], "late") == 0) g_mode = Mode::Late;
  if (strcmp(words[1], "nested") == 0) g_mode = Mode::Nested;
  if (g_mode != Mode::Late) install_handler();
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 2;
  const long threads = strtol(words[2], nullptr, 10);
  g_rounds = strtol(words[3], nullptr, 10);
  if (threads < 1 || threads > 64 || g_rounds < 1) return 2;
  check(pthread_barrier_init(&g_handler_is_there, nullptr, static_cast<unsigned>(threads) + 1) == 0,
        "pthread_barrier_init");
  pthread_attr_t attributes;
  check(pthread_attr_init(&attributes) == 0 &&
            pthread_attr_setstacksize(&attributes, kThreadStack) == 0,
        "pthread_attr_init");

  std::vector<Thread> all(static_cast<size_t>(threads));
  for (Thread& one : all)
    check(pthread_create(&one.thread, &attributes, run, &one) == 0, "pthread_create");
  if (g_mode == Mode::Late) {
    while (g_bounds.load() < threads * g_rounds / 2) usleep(100);
    install_handler();
    pthread_barrier_wait(&g_handler_is_there);
  }
  Thread sum;
  for (Thread& one : all) {
    check(pthread_join(one.thread, nullptr) == 0, "pthread_join");
    sum.nulls += one.nulls;
    sum.recovered += one.recovered;
    sum.overflows += one.overflows;
    sum.nested += one.nested;
  }
  printf(
      "nulls %ld, wild reads %ld, overflows %ld, bound exceptions %ld, of them in the handler "
      "%ld\n",
      sum.nulls, sum.recovered, sum.overflows, g_bounds.load(), sum.nested);
  printf("reached the handler: %ld\n", g_handler_bounds.load());
  return 0;
}
