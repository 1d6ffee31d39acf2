// SPDX-License-Identifier: Apache-2.0
//
// signals CASE [ARGUMENT]: signals, stops and ends that have nothing to do with bound exceptions.
// What it prints must be the same with and without kebound; it prints nothing that differs between
// two runs.
//   stop-child | tstp-child | stop-threads | timers | altstack | nested | chld | mask | sigqueue |
//   interrupted wait-for-stop | exit N | die N | die-in-thread N | exec-missing | sleep |
//   exit-from-thread N
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "guest.h"

static volatile sig_atomic_t counts[65];
static void count(int number, siginfo_t* info, void* context) {
  (void)info;
  (void)context;
  ++counts[number];
}

static void say_status(const char* what, int status) {
  if (WIFSTOPPED(status)) {
    printf("%s: stopped by %d\n", what, WSTOPSIG(status));
  } else if (WIFCONTINUED(status)) {
    printf("%s: continued\n", what);
  } else if (WIFSIGNALED(status)) {
    printf("%s: died of %d\n", what, WTERMSIG(status));
  } else {
    printf("%s: exited %d\n", what, WEXITSTATUS(status));
  }
}

static int await(pid_t pid, int options) {
  int status = 0;
  CHECK(waitpid(pid, &status, options) == pid);
  return status;
}

// A child that stops; the parent sees the stop, waits, continues it, sees that too, and then its
// end.
static void stop_child(int signal_number) {
  int up[2];
  int down[2];
  char byte = 0;
  CHECK(pipe(up) == 0 && pipe(down) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    // A group of its own, whose parent is in the session: in an orphaned group SIGTSTP does
    // nothing.
    CHECK(setpgid(0, 0) == 0);
    install_handler(SIGCONT, count, SA_RESTART);
    for (int i = 0; i < 2; ++i) {
      raise(signal_number);
      // It goes on only when its continuation was seen: a next stop would take that report's place.
      if (write(up[1], "x", 1) != 1 || read(down[0], &byte, 1) != 1) _exit(1);
    }
    _exit(counts[SIGCONT] == 2 ? 7 : 8);
  }
  for (int i = 0; i < 2; ++i) {
    say_status("child", await(pid, WUNTRACED));
    usleep(20000);
    // Stopped means stopped: nothing may have come meanwhile.
    CHECK(waitpid(pid, NULL, WNOHANG | WUNTRACED) == 0);
    CHECK(kill(pid, SIGCONT) == 0);
    say_status("child", await(pid, WCONTINUED));
    CHECK(read(up[0], &byte, 1) == 1 && write(down[1], "x", 1) == 1);
  }
  say_status("child", await(pid, 0));
}

static volatile int halt;
static void* tick(void* opaque) {
  volatile long* const mine = opaque;
  while (!halt) {
    ++*mine;
    usleep(100);
  }
  return NULL;
}

// A group stop holds every thread.
static void stop_threads(void) {
  long* const shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  const pid_t pid = fork();
  if (pid == 0) {
    pthread_t threads[4];
    for (int i = 0; i < 4; ++i) CHECK(pthread_create(&threads[i], NULL, tick, &shared[i]) == 0);
    for (;;) pause();
  }
  volatile long* const seen = shared;
  for (int i = 0; i < 4; ++i) {
    while (seen[i] == 0) usleep(100);
  }
  for (int round = 0; round < 3; ++round) {
    CHECK(kill(pid, SIGSTOP) == 0);
    say_status("child", await(pid, WUNTRACED));
    // The stop is reported when the last thread has stopped, so nothing moves from here on.
    long before[4];
    for (int i = 0; i < 4; ++i) before[i] = seen[i];
    usleep(20000);
    for (int i = 0; i < 4; ++i) CHECK(before[i] == seen[i]);
    CHECK(kill(pid, SIGCONT) == 0);
    say_status("child", await(pid, WCONTINUED));
    for (int i = 0; i < 4; ++i) {
      while (seen[i] == before[i]) usleep(100);
    }
  }
  CHECK(kill(pid, SIGKILL) == 0);
  say_status("child", await(pid, 0));
}

static void timers(void) {
  install_handler(SIGALRM, count, SA_RESTART);
  install_handler(SIGVTALRM, count, SA_RESTART);
  install_handler(SIGRTMIN, count, SA_RESTART);
  const struct itimerval often = {{0, 1000}, {0, 1000}};
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
  CHECK(setitimer(ITIMER_VIRTUAL, &often, NULL) == 0);
  timer_t timer;
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN;
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  const struct itimerspec period = {{0, 1000000}, {0, 1000000}};
  CHECK(timer_settime(timer, 0, &period, NULL) == 0);
  volatile unsigned work = 0;
  while (counts[SIGALRM] < 50 || counts[SIGVTALRM] < 5 || counts[SIGRTMIN] < 50) ++work;
  puts("timers: all three ticked");
}

static char alternate[65536];
static volatile int on_alternate;
static void look_at_stack(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)info;
  (void)context;
  const char here = 0;
  on_alternate = (uintptr_t)&here >= (uintptr_t)alternate &&
                 (uintptr_t)&here < (uintptr_t)alternate + sizeof alternate;
}

static volatile sig_atomic_t depth;
static void nest(int number, siginfo_t* info, void* context) {
  (void)info;
  (void)context;
  printf("nested: enter %d at depth %d\n", number, (int)depth);
  ++depth;
  if (number == SIGUSR1) raise(depth < 3 ? SIGUSR1 : SIGUSR2);
  --depth;
  printf("nested: leave %d\n", number);
}

static void on_child(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)context;
  printf("SIGCHLD: code %d status %d\n", info->si_code, info->si_status);
}

static void children(void) {
  install_handler(SIGCHLD, on_child, 0);
  sigset_t child;
  sigset_t none;
  sigemptyset(&none);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  CHECK(sigprocmask(SIG_BLOCK, &child, NULL) == 0);
  const int ends[] = {0, 3, 255};
  for (int i = 0; i < 3; ++i) {
    const pid_t pid = fork();
    if (pid == 0) _exit(ends[i]);
    sigsuspend(&none);
    say_status("child", await(pid, 0));
  }
  const pid_t pid = fork();
  if (pid == 0) {
    raise(SIGSTOP);
    raise(SIGTERM);
    _exit(1);
  }
  sigsuspend(&none);
  say_status("child", await(pid, WUNTRACED));
  CHECK(kill(pid, SIGCONT) == 0);
  sigsuspend(&none);
  // The end may come together with the continuation: one SIGCHLD is then enough for both.
  say_status("child", await(pid, 0));
}

static void masks(void) {
  sigset_t set;
  sigset_t old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGTERM);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  install_handler(SIGUSR1, count, 0);
  raise(SIGUSR1);
  CHECK(counts[SIGUSR1] == 0);
  CHECK(sigpending(&old) == 0 && sigismember(&old, SIGUSR1));
  CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
  CHECK(counts[SIGUSR1] == 1);
  puts("mask: pending while blocked, delivered once");
}

static void on_queued(int number, siginfo_t* info, void* context) {
  (void)context;
  printf("queued: rt %d code %d value %d\n", number - SIGRTMIN, info->si_code,
         info->si_value.sival_int);
}

static void queue(void) {
  sigset_t set;
  sigfillset(&set);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  for (int i = 2; i >= 0; --i) {
    install_handler(SIGRTMIN + i, on_queued, 0);
    for (int value = 0; value < 3; ++value) {
      CHECK(sigqueue(getpid(), SIGRTMIN + i, (union sigval){.sival_int = value * 10 + i}) == 0);
    }
  }
  CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

static void interrupted(void) {
  install_handler(SIGALRM, count, 0);
  const struct itimerval once = {{0, 0}, {0, 20000}};
  CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
  const struct timespec second = {10, 0};
  CHECK(nanosleep(&second, NULL) == -1 && errno == EINTR);
  int ends[2];
  char byte;
  CHECK(pipe(ends) == 0);
  CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
  CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR);
  install_handler(SIGALRM, count, SA_RESTART);
  const pid_t pid = fork();
  if (pid == 0) {
    usleep(100000);
    _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
  }
  CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
  CHECK(read(ends[0], &byte, 1) == 1);
  CHECK(counts[SIGALRM] == 3);
  say_status("child", await(pid, 0));
}

static void* die_here(void* opaque) {
  raise(*(int*)opaque);
  return NULL;
}
static void* exit_here(void* opaque) { exit(*(int*)opaque); }

static void no_core(void) {
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const char* const what = argv[1];
  int number = argc > 2 ? (int)parse_number(argv[2]) : 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (strcmp(what, "stop-child") == 0) {
    stop_child(SIGSTOP);
  } else if (strcmp(what, "tstp-child") == 0) {
    stop_child(SIGTSTP);
  } else if (strcmp(what, "stop-threads") == 0) {
    stop_threads();
  } else if (strcmp(what, "timers") == 0) {
    timers();
  } else if (strcmp(what, "altstack") == 0) {
    const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    CHECK(sigaltstack(&stack, NULL) == 0);
    install_handler(SIGUSR1, look_at_stack, SA_ONSTACK);
    raise(SIGUSR1);
    printf("alternate stack: %d\n", on_alternate);
    install_handler(SIGUSR1, look_at_stack, 0);
    raise(SIGUSR1);
    printf("alternate stack: %d\n", on_alternate);
  } else if (strcmp(what, "nested") == 0) {
    install_handler(SIGUSR1, nest, SA_NODEFER);
    install_handler(SIGUSR2, nest, SA_RESETHAND);
    signal(SIGTERM, SIG_IGN);
    raise(SIGTERM);
    struct sigaction before;
    raise(SIGUSR1);
    CHECK(sigaction(SIGUSR2, NULL, &before) == 0);
    printf("nested: reset %d\n", before.sa_handler == SIG_DFL);
  } else if (strcmp(what, "chld") == 0) {
    children();
  } else if (strcmp(what, "mask") == 0) {
    masks();
  } else if (strcmp(what, "sigqueue") == 0) {
    queue();
  } else if (strcmp(what, "interrupted") == 0) {
    interrupted();
  } else if (strcmp(what, "wait-for-stop") == 0) {
    // For job control from outside: says where it is, and that it was continued.
    install_handler(SIGCONT, count, SA_RESTART);
    puts("waiting");
    while (counts[SIGCONT] == 0) usleep(1000);
    puts("continued");
  } else if (strcmp(what, "exit") == 0) {
    _exit(number);
  } else if (strcmp(what, "exit-from-thread") == 0) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, exit_here, &number) == 0);
    for (;;) pause();
  } else if (strcmp(what, "die") == 0) {
    no_core();
    raise(number);
    printf("survived %d\n", number);
  } else if (strcmp(what, "die-in-thread") == 0) {
    no_core();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, die_here, &number) == 0);
    for (;;) pause();
  } else if (strcmp(what, "exec-missing") == 0) {
    char* const arguments[] = {(char*)"missing", NULL};
    CHECK(execv("/nonexistent/missing", arguments) == -1 && errno == ENOENT);
    CHECK(execv("/etc/passwd", arguments) == -1 && errno == EACCES);
    puts("exec: failed as it must");
  } else if (strcmp(what, "sleep") == 0) {
    printf("pid %d\n", (int)getpid());
    for (;;) pause();
  } else {
    return 2;
  }
  succeed();
}
