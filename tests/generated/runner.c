// SPDX-License-Identifier: Apache-2.0
//
// runner NAME INPUT [NAME INPUT]...: runs each shape in a child of its own. Lines on standard output:
//   begin NAME INPUT PID                       the child, before
//   fail SITE LINE INDEX LENGTH                the child, of the oracle: an index that is out of bounds
//   trap SITE LINE INDEX LENGTH                the child, of the oracle: an explicit trap
//   result VALUE                               the child, if it came through
//   end exit STATUS | end signal NUMBER
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frame.h"

// Past stdio: nothing may be left in a buffer that a dying child would lose or a fork would double.
static void say(const char* format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= sizeof line || write(1, line, (size_t)length) != length)
    _exit(99);
}

enum { MOST_FAILURES = 400 };
static int failures;

long long oracle_index(int site, int line, long long index, long long length) {
  if (index >= 0 && index < length) return index;
  if (++failures > MOST_FAILURES) _exit(0);
  say("fail %d %d %lld %lld\n", site, line, index, length);
  return index < 0 ? 0 : length - 1;
}

void oracle_trap(int site, int line, long long index, long long length) {
  if (++failures > MOST_FAILURES) _exit(0);
  say("trap %d %d %lld %lld\n", site, line, index, length);
}

static void run_here(const struct shape* shape, long given) {
  say("begin %s %ld %d\n", shape->name, given, (int)getpid());
  // A repaired loop can be an endless one.
  const struct rlimit cpu = {2, 2};
  if (setrlimit(RLIMIT_CPU, &cpu) != 0) _exit(99);
  long (*volatile run)(long) = shape->run;
  volatile long input = given;
  say("result %ld\n", run(input));
  _exit(0);
}

static void run_in_child(const struct shape* shape, long input) {
  const pid_t child = fork();
  if (child < 0) exit(99);
  if (child == 0) run_here(shape, input);
  int status = 0;
  if (waitpid(child, &status, 0) != child) exit(99);
  if (WIFSIGNALED(status))
    say("end signal %d\n", WTERMSIG(status));
  else
    say("end exit %d\n", WEXITSTATUS(status));
}

int main(int argc, char** argv) {
  // One byte: no core file, and no core handler either, which 0 would not keep from running.
  const struct rlimit core = {1, 1};
  if (setrlimit(RLIMIT_CORE, &core) != 0) return 99;
  for (int i = 1; i + 1 < argc; i += 2) {
    size_t k = 0;
    while (k < shape_count && strcmp(shapes[k].name, argv[i]) != 0) ++k;
    if (k == shape_count) {
      fprintf(stderr, "no shape %s\n", argv[i]);
      return 98;
    }
    run_in_child(&shapes[k], strtol(argv[i + 1], NULL, 10));
  }
  return 0;
}
