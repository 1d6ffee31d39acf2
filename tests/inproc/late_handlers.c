// SPDX-License-Identifier: Apache-2.0
//
// late_handlers: a program that sets signal actions in every way there is, and checks what it finds
// when it asks. Its checks hold without kebound, and must hold with it preloaded. Exit statuses as
// in guest.h.
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/guests/programs/guest.h"

// They are what this is about.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static volatile sig_atomic_t calls;
static volatile int blocked_own;
static void on_signal(int number) {
  sigset_t mask;
  ++calls;
  CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
  blocked_own = sigismember(&mask, number);
}
static void other(int number) { (void)number; }

static void expect_action(int number, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0xaa, sizeof action);
  CHECK(sigaction(number, NULL, &action) == 0);
  CHECK(action.sa_handler == handler);
  const int interesting = SA_RESTART | SA_NODEFER | (int)SA_RESETHAND | SA_SIGINFO | SA_ONSTACK;
  if ((action.sa_flags & interesting) != flags)
    fail("signal %d: flags %x, expected %x", number, action.sa_flags, flags);
}

static void each_way(int number) {
  expect_action(number, SIG_DFL, 0);
  CHECK(signal(number, on_signal) == SIG_DFL);
  expect_action(number, on_signal, SA_RESTART);
  calls = 0;
  CHECK(raise(number) == 0 && calls == 1 && blocked_own == 1);
  CHECK(raise(number) == 0 && calls == 2);
  CHECK(siginterrupt(number, 1) == 0);
  expect_action(number, on_signal, 0);
  CHECK(signal(number, other) == on_signal);
  expect_action(number, other, 0);
  CHECK(siginterrupt(number, 0) == 0);
  expect_action(number, other, SA_RESTART);
  CHECK(sysv_signal(number, on_signal) == other);
  expect_action(number, on_signal, (int)SA_RESETHAND | SA_NODEFER);
  calls = 0;
  CHECK(raise(number) == 0 && calls == 1 && blocked_own == 0);
  expect_action(number, SIG_DFL, (int)SA_RESETHAND | SA_NODEFER);
  CHECK(sigset(number, on_signal) == SIG_DFL);
  expect_action(number, on_signal, 0);
  CHECK(sigset(number, SIG_HOLD) == on_signal);
  CHECK(sigset(number, other) == SIG_HOLD);
  CHECK(sigignore(number) == 0);
  expect_action(number, SIG_IGN, 0);
  CHECK(raise(number) == 0);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_NODEFER | SA_ONSTACK;
  sigaddset(&action.sa_mask, SIGUSR2);
  CHECK(sigaction(number, &action, NULL) == 0);
  struct sigaction found;
  CHECK(sigaction(number, NULL, &found) == 0);
  CHECK(sigismember(&found.sa_mask, SIGUSR2) == 1 && sigismember(&found.sa_mask, SIGUSR1) == 0);
  memset(&action, 0, sizeof action);
  CHECK(sigaction(number, &action, &found) == 0 && found.sa_handler == on_signal);
}

static void errors(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  for (int number = -1; number <= 66; ++number) {
    errno = 0;
    const int result = sigaction(number, &action, NULL);
    const int good = number >= 1 && number <= 64 && number != SIGKILL && number != SIGSTOP &&
                     number != 32 && number != 33;
    CHECK(good ? result == 0 : result == -1 && errno == EINVAL);
  }
  CHECK(signal(0, other) == SIG_ERR && signal(SIGKILL, other) == SIG_ERR &&
        signal(SIGSEGV, SIG_ERR) == SIG_ERR);
}

// What a vfork(2) child sets is not its parent's.
static void borrowed_memory(void) {
  CHECK(signal(SIGSEGV, on_signal) == SIG_DFL);
  const pid_t child = vfork();
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    _exit(0);
  }
  CHECK(waitpid(child, NULL, 0) == child);
  expect_action(SIGSEGV, on_signal, SA_RESTART);
  CHECK(signal(SIGSEGV, SIG_DFL) == on_signal);
}

// The way of crash handlers: say something, restore the default action, raise again.
static void crash_handler(int number) {
  static const char text[] = "crashed\n";
  if (write(1, text, sizeof text - 1) < 0) _exit(1);
  signal(number, SIG_DFL);
  raise(number);
}

static void crash_in_child(void) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, crash_handler);
    *(volatile int*)(uintptr_t)(calls & 0) = 1;
    _exit(1);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void* on_thread(void* unused) {
  (void)unused;
  each_way(SIGSEGV);
  return NULL;
}

int main(void) {
  each_way(SIGSEGV);
  each_way(SIGILL);
  each_way(SIGUSR1);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, on_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
  errors();
  borrowed_memory();
  crash_in_child();
  succeed();
}
