// SPDX-License-Identifier: Apache-2.0
//
// Signals that are not ours reach the program's actions as if we were not there: each case runs in
// a process of its own, with the action installed before kebound.
#include <errno.h>
#include <gtest/gtest.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "include/kebound/kebound.hpp"
#include "tests/inproc/raise.h"

namespace kebound {
namespace {

using testing::Bounds;
using testing::raise_bound;
constexpr Bounds kBounds{-4, 9};

// Where a child says which claim does not hold: its exit status is the line.
#define CLAIM(condition)                         \
  do {                                           \
    if (!(condition)) _exit(__LINE__ % 250 + 1); \
  } while (false)

class ChainTest : public ::testing::Test {
 protected:
  ChainTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};
#define IN_FRESH_PROCESS(...) \
  EXPECT_EXIT(((__VA_ARGS__)(), _exit(0)), ::testing::ExitedWithCode(0), "")

void touch_nowhere() {
  volatile uintptr_t nowhere = 16;
  *reinterpret_cast<volatile int*>(nowhere) = 1;
}

void install(int number, void (*handler)(int, siginfo_t*, void*), int flags, int masked = 0) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = flags;
  if (masked != 0) sigaddset(&action.sa_mask, masked);
  CLAIM(sigaction(number, &action, nullptr) == 0);
}

greg_t trap_of(void* context) {
  return static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_TRAPNO];
}

volatile int g_calls;
siginfo_t g_info;
bool g_blocked[65];
bool g_on_alternate;
uintptr_t g_ip;
greg_t g_trap;

void record(int number, siginfo_t* info, void* context) {
  g_calls = g_calls + 1;
  g_info = *info;
  g_ip = testing::ip_of(context);
  g_trap = trap_of(context);
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  for (int i = 1; i < 65; ++i) g_blocked[i] = sigismember(&mask, i) == 1;
  stack_t stack;
  sigaltstack(nullptr, &stack);
  g_on_alternate = (stack.ss_flags & SS_ONSTACK) != 0;
  CLAIM(number == info->si_signo);
}

void record_and_skip(int number, siginfo_t* info, void* context) {
  record(number, info, context);
  errno = 77;
  testing::set_ip(context, testing::ip_of(context) + testing::kBoundLength);
}

TEST_F(ChainTest, An_unhandled_bound_exception_reaches_the_handler_untouched) {
  IN_FRESH_PROCESS([] {
    install(SIGSEGV, record_and_skip, SA_SIGINFO);
    const Registration pass([](const Event&, EventRegisters&) {
      errno = 3;
      return Answer::ContinueSearch;
    });
    errno = 0;
    CLAIM(raise_bound(10, kBounds) == 10);
    CLAIM(errno == 77);  // what the handler left, as without us
    CLAIM(g_calls == 1 && g_info.si_code == SI_KERNEL && g_info.si_addr == nullptr);
    CLAIM(g_ip == testing::bound_address() && g_trap == 5);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    CLAIM(sigismember(&mask, SIGSEGV) == 0);
  });
}

TEST_F(ChainTest, The_handler_runs_with_its_mask_and_its_own_signal_blocked) {
  IN_FRESH_PROCESS([] {
    install(SIGSEGV, record_and_skip, SA_SIGINFO, SIGUSR1);
    CLAIM(kebound_init(nullptr) == KEBOUND_OK);
    raise_bound(10, kBounds);
    CLAIM(g_blocked[SIGSEGV] && g_blocked[SIGUSR1] && !g_blocked[SIGUSR2]);
  });
}

TEST_F(ChainTest, SA_NODEFER_leaves_the_signal_unblocked) {
  IN_FRESH_PROCESS([] {
    install(SIGSEGV, record_and_skip, SA_SIGINFO | SA_NODEFER, SIGUSR1);
    CLAIM(kebound_init(nullptr) == KEBOUND_OK);
    raise_bound(10, kBounds);
    CLAIM(!g_blocked[SIGSEGV] && g_blocked[SIGUSR1]);
  });
}

TEST_F(ChainTest, The_handler_runs_on_the_stack_that_it_asked_for) {
  IN_FRESH_PROCESS([] {
    static char memory[65536];
    stack_t stack{};
    stack.ss_sp = memory;
    stack.ss_size = sizeof memory;
    CLAIM(sigaltstack(&stack, nullptr) == 0);
    install(SIGSEGV, record_and_skip, SA_SIGINFO);
    install(SIGILL, record_and_skip, SA_SIGINFO | SA_ONSTACK);
    CLAIM(kebound_init(nullptr) == KEBOUND_OK);
    stack_t now;
    CLAIM(sigaltstack(nullptr, &now) == 0 && now.ss_sp == memory);
    raise_bound(10, kBounds);
    CLAIM(!g_on_alternate);
    __asm__ volatile("ud2");
    CLAIM(g_calls == 2 && g_on_alternate && g_info.si_signo == SIGILL);
  });
}

TEST_F(ChainTest, SA_RESETHAND_works_once_and_then_the_default_action_ends_it) {
  EXPECT_EXIT(
      {
        install(SIGSEGV, record_and_skip, static_cast<int>(SA_SIGINFO | SA_RESETHAND));
        CLAIM(kebound_init(nullptr) == KEBOUND_OK);
        raise_bound(10, kBounds);
        CLAIM(g_calls == 1);
        raise_bound(10, kBounds);
      },
      ::testing::KilledBySignal(SIGSEGV), "");
}

void without_information(int) {
  g_calls = g_calls + 1;
  _exit(42);
}

TEST_F(ChainTest, A_handler_without_SA_SIGINFO_is_called) {
  EXPECT_EXIT(
      {
        signal(SIGSEGV, without_information);
        CLAIM(kebound_init(nullptr) == KEBOUND_OK);
        raise_bound(10, kBounds);
      },
      ::testing::ExitedWithCode(42), "");
}

TEST_F(ChainTest, The_default_action_kills_by_the_same_signal) {
  EXPECT_EXIT(
      {
        static_cast<void>(kebound_init(nullptr));
        raise_bound(10, kBounds);
      },
      ::testing::KilledBySignal(SIGSEGV), "^$");
  EXPECT_EXIT(
      {
        static_cast<void>(kebound_init(nullptr));
        __asm__ volatile("ud2");
      },
      ::testing::KilledBySignal(SIGILL), "^$");
  EXPECT_EXIT(
      {
        static_cast<void>(kebound_init(nullptr));
        touch_nowhere();
      },
      ::testing::KilledBySignal(SIGSEGV), "^$");
  EXPECT_EXIT(
      {
        static_cast<void>(kebound_init(nullptr));
        kill(getpid(), SIGSEGV);
        pause();
      },
      ::testing::KilledBySignal(SIGSEGV), "^$");
}

// What a core would show: where the thread is when it dies, and of what.
TEST_F(ChainTest, The_default_action_is_taken_at_the_failing_instruction) {
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    static_cast<void>(kebound_init(nullptr));
    raise_bound(10, kBounds);
    _exit(0);
  }
  constexpr long kIpInUser = sizeof(void*) == 8 ? 16 * 8 : 12 * 4;
  int status = 0;
  int stops = 0;
  uintptr_t ip = 0;
  siginfo_t info{};
  while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
    ++stops;
    ip = static_cast<uintptr_t>(ptrace(PTRACE_PEEKUSER, child, kIpInUser, nullptr));
    ASSERT_EQ(ptrace(PTRACE_GETSIGINFO, child, nullptr, &info), 0);
    ASSERT_EQ(ptrace(PTRACE_CONT, child, nullptr, WSTOPSIG(status)), 0);
  }
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  EXPECT_EQ(stops, 2);  // for our handler, and for good
  EXPECT_EQ(ip, testing::bound_address());
  EXPECT_EQ(info.si_code, SI_KERNEL);
}

TEST_F(ChainTest, An_ignored_signal_is_ignored_when_sent_and_kills_when_caused) {
  IN_FRESH_PROCESS([] {
    signal(SIGSEGV, SIG_IGN);
    CLAIM(kebound_init(nullptr) == KEBOUND_OK);
    kill(getpid(), SIGSEGV);
  });
  EXPECT_EXIT(
      {
        signal(SIGSEGV, SIG_IGN);
        CLAIM(kebound_init(nullptr) == KEBOUND_OK);
        raise_bound(10, kBounds);
      },
      ::testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(ChainTest, A_signal_that_was_sent_is_no_exception_even_after_one) {
  IN_FRESH_PROCESS([] {
    install(SIGSEGV, record, SA_SIGINFO);
    const Registration registration([](const Event& e, EventRegisters& r) {
      if (e.ip != testing::bound_address()) _exit(3);
      r.gpr[KEBOUND_RAX] = 9;
      return Answer::Handled;
    });
    CLAIM(raise_bound(10, kBounds) == 9);
    union sigval value;
    value.sival_int = 1234;
    CLAIM(sigqueue(getpid(), SIGSEGV, value) == 0);
    CLAIM(g_calls == 1 && g_info.si_code == SI_QUEUE && g_info.si_value.sival_int == 1234);
    CLAIM(g_info.si_pid == getpid());
  });
}

sigjmp_buf g_escape;
void escape(int, siginfo_t* info, void*) {
  g_info = *info;
  siglongjmp(g_escape, 1);
}

// AddressSanitizer takes frames that a jump leaves on the stack of 32-bit code for live ones.
#ifdef __SANITIZE_ADDRESS__
#define JUMPING(name) DISABLED_##name
#else
#define JUMPING(name) name
#endif

TEST_F(ChainTest, JUMPING(A_handler_may_jump_away_and_the_next_exception_is_served)) {
  IN_FRESH_PROCESS([] {
    install(SIGSEGV, escape, SA_SIGINFO);
    CLAIM(kebound_init(nullptr) == KEBOUND_OK);
    static int i = 0;
    for (; i < 100; ++i) {
      if (sigsetjmp(g_escape, 1) == 0) {
        raise_bound(10, kBounds);
        CLAIM(false);
      }
      if (sigsetjmp(g_escape, 1) == 0) {
        touch_nowhere();
        CLAIM(false);
      }
      CLAIM(g_info.si_addr == reinterpret_cast<void*>(16));
    }
    const Registration registration([](const Event&, EventRegisters& r) {
      r.gpr[KEBOUND_RAX] = 9;
      return Answer::Handled;
    });
    CLAIM(raise_bound(10, kBounds) == 9);
  });
}

void map_and_retry(int, siginfo_t* info, void* context) {
  g_info = *info;
  g_calls = g_calls + 1;
  testing::set_ax(context, reinterpret_cast<uintptr_t>(&g_trap));
}

TEST_F(ChainTest, A_fault_in_a_callback_is_the_programs_and_the_callback_goes_on) {
  IN_FRESH_PROCESS([] {
    install(SIGSEGV, map_and_retry, SA_SIGINFO);
    const Registration registration([](const Event&, EventRegisters& r) {
      uintptr_t address = 16;
      __asm__ volatile("movl $7, (%0)" : "+a"(address) : : "memory");
      r.gpr[KEBOUND_RAX] = 9;
      return Answer::Handled;
    });
    CLAIM(raise_bound(10, kBounds) == 9);
    CLAIM(g_calls == 1 && g_info.si_addr == reinterpret_cast<void*>(16));
    CLAIM(raise_bound(10, kBounds) == 9);
  });
}

struct sigaction g_found;
void call_the_one_before(int number, siginfo_t* info, void* context) {
  g_calls = g_calls + 1;
  g_found.sa_sigaction(number, info, context);
}

TEST_F(ChainTest, A_handler_installed_later_may_call_ours_and_put_it_back) {
  IN_FRESH_PROCESS([] {
    const Registration registration([](const Event&, EventRegisters& r) {
      r.gpr[KEBOUND_RAX] = 9;
      return Answer::Handled;
    });
    CLAIM(sigaction(SIGSEGV, nullptr, &g_found) == 0);
    install(SIGSEGV, call_the_one_before, SA_SIGINFO);
    CLAIM(raise_bound(10, kBounds) == 9 && g_calls == 1);
    CLAIM(sigaction(SIGSEGV, &g_found, nullptr) == 0);
    CLAIM(raise_bound(10, kBounds) == 9 && g_calls == 1);
  });
}

TEST_F(ChainTest, A_general_protection_fault_and_a_page_fault_at_a_BOUND_are_no_bound_exceptions) {
  IN_FRESH_PROCESS([] {
    install(SIGSEGV, record_and_skip, SA_SIGINFO);
    const Registration registration([](const Event&, EventRegisters&) {
      _exit(3);
      return Answer::Error;
    });
    const uint32_t nowhere = 16;
    CLAIM(raise_bound(10, kBounds, &nowhere) == 10);
    CLAIM(g_calls == 1 && g_trap == 14 && g_info.si_addr == reinterpret_cast<void*>(16));
  });
}

}  // namespace
}  // namespace kebound
