// SPDX-License-Identifier: Apache-2.0
//
// guest [NAME...]: runs each shape, or those named, in a child. Lines on standard output:
//   begin NAME PID INPUT INDEX LOWER UPPER   the child, before
//   result NAME VALUE                        the child, if it came through
//   end NAME exit STATUS | end NAME signal NUMBER
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shape.h"

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

static void run_here(const struct shape* shape) {
  say("begin %s %d %ld %ld %ld %ld\n", shape->name, (int)getpid(), shape->input, shape->index,
      shape->lower, shape->upper);
  // A repaired loop can be an endless one.
  const struct rlimit cpu = {2, 2};
  if (setrlimit(RLIMIT_CPU, &cpu) != 0) _exit(99);
  long (*volatile run)(long) = shape->run;
  volatile long input = shape->input;
  say("result %s %ld\n", shape->name, run(input));
  _exit(0);
}

static void run_in_child(const struct shape* shape) {
  const pid_t child = fork();
  if (child < 0) exit(99);
  if (child == 0) run_here(shape);
  int status = 0;
  if (waitpid(child, &status, 0) != child) exit(99);
  if (WIFSIGNALED(status))
    say("end %s signal %d\n", shape->name, WTERMSIG(status));
  else
    say("end %s exit %d\n", shape->name, WEXITSTATUS(status));
}

static int wanted(const char* name, int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (strcmp(argv[i], name) == 0) return 1;
  return argc == 1;
}

int main(int argc, char** argv) {
  // One byte: no core file, and no core handler either, which 0 would not keep from running.
  const struct rlimit core = {1, 1};
  if (setrlimit(RLIMIT_CORE, &core) != 0) return 99;
  for (size_t i = 0; i < shape_list_count; ++i)
    for (size_t k = 0; k < shape_lists[i]->count; ++k)
      if (wanted(shape_lists[i]->shapes[k].name, argc, argv))
        run_in_child(&shape_lists[i]->shapes[k]);
  return 0;
}
